#include "training/run/recipe/named_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/files/files.h"
#include "data/rows/file/source_files.h"
#include "training/run/recipe/objections.h"

namespace attune::training {
namespace {

class NamedFiles {
 public:
  void look_at_model(const model::ModelOptions& model) {
    if (model.path.empty() || !seen_.insert(model.path).second) return;
    missing_.ask([&] { model::Model::peek_config(model); });
  }

  /// @param options a function that gives them, or refuses the setting
  template <class Options>
  void look_at_data(const Options& options) {
    missing_.ask([&] {
      const data::DataOptions asked = options();
      for (const auto& entry : data::source_entries(asked)) look_at_entry(entry, asked);
    });
  }

  std::vector<std::string> missing() && { return std::move(missing_).said(); }

 private:
  /// What is not there has no splits either.
  void look_at_entry(const data::SourceEntry& entry, const data::DataOptions& options) {
    std::error_code ignored;
    if (!core::fs::exists(entry.path, ignored) && !seen_.insert(entry.path).second) return;
    missing_.ask([&] { data::source_files(entry, options); });
  }

  std::set<std::string> seen_;
  Objections missing_;
};

/// The files of data, by one name each, and what of them is read.
std::vector<std::pair<std::string, data::SplitSlice>> files_of(const data::DataOptions& options) {
  std::vector<std::pair<std::string, data::SplitSlice>> files;
  for (const auto& entry : data::source_entries(options))
    for (const auto& file : data::source_files(entry, options)) {
      std::error_code error;
      const auto real = core::fs::canonical(file.path, error);
      files.emplace_back(error ? file.path : real.string(), entry.slice);
    }
  return files;
}

}  // namespace

std::string trained_on_too(const data::DataOptions& training, const data::DataOptions& held_out) {
  const auto known = files_of(training);
  for (const auto& [file, slice] : files_of(held_out))
    if (std::ranges::any_of(
            known, [&](const auto& other) { return other.first == file && other.second.may_meet(slice); }))
      return file + " is trained on, too: evaluations say nothing of new data (val_size=0.1 holds rows out)";
  return "";
}

std::vector<std::string> what_is_missing(const TrainRecipe& recipe, std::span<const TermSetting> terms) {
  NamedFiles files;
  files.look_at_model(recipe.model);
  for (const auto& path : {recipe.reference.path, recipe.teacher.path})
    files.look_at_model({path, "float32", "", ""});
  if (terms.empty() && !recipe.data.is_null())
    files.look_at_data([&] { return data_options(recipe.data, "data"); });
  for (const TermSetting& term : terms) files.look_at_data([&] { return term.data; });
  if (!recipe.eval.data.is_null()) files.look_at_data([&] { return held_out_options(recipe); });
  return std::move(files).missing();
}

}  // namespace attune::training
