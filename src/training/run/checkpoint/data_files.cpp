#include "training/run/checkpoint/data_files.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"

namespace attune::training {
namespace {

std::string in_hex(std::uint64_t number) { return fmt::format("{:016x}", number); }

/// Rows of file `index` as they were, from the fingerprints that stand one file after another; empty where
/// they are not known.
std::vector<std::uint32_t> rows_before(const core::Json& before, std::size_t index,
                                       const std::string& folder) {
  const std::string path = core::join_path(folder, DataFiles::kFile);
  if (!core::fs::exists(path)) return {};
  const std::string bytes = core::read_file(path);
  std::size_t begin = 0, total = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto rows = before[i].value("rows", std::size_t{0});
    if (i < index) begin += rows;
    total += rows;
  }
  if (bytes.size() != total * sizeof(std::uint32_t)) return {};
  std::vector<std::uint32_t> rows(before[index].value("rows", std::size_t{0}));
  std::memcpy(rows.data(), bytes.data() + begin * sizeof(std::uint32_t), rows.size() * sizeof(std::uint32_t));
  return rows;
}

}  // namespace

DataFiles::DataFiles(const TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  std::vector<data::DataOptions> settings;
  for (const auto& term : terms) settings.push_back(term.data);
  if (!recipe.eval.data.is_null()) settings.push_back(held_out_options(recipe));
  for (const auto& options : settings) {
    const bool known = std::ranges::any_of(files_, [&](const File& file) {
      return file.options.key == options.key && file.options.path == options.path;
    });
    if (known) continue;  // methods that learn from the same data
    for (auto& content : data::file_contents(options)) files_.push_back({options, std::move(content)});
  }
}

core::Json DataFiles::json() const {
  core::Json json = core::Json::array();
  for (const auto& [options, content] : files_)
    json.push_back({{"setting", options.key},
                    {"path", content.path},
                    {"fingerprint", in_hex(content.fingerprint)},
                    {"rows", content.rows.size()}});
  return json;
}

data::KnownContent DataFiles::known() const {
  data::KnownContent known;
  for (const auto& file : files_) known.emplace(file.content.path, file.content.fingerprint);
  return known;
}

void DataFiles::save(const std::string& folder) const {
  core::write_file_atomically(core::join_path(folder, kFile), [&](const core::Sink& sink) {
    for (const auto& file : files_)
      sink({reinterpret_cast<const char*>(file.content.rows.data()),
            file.content.rows.size() * sizeof(std::uint32_t)});
  });
}

std::string DataFiles::difference_of_rows(const File& file, const std::vector<std::uint32_t>& before) const {
  const auto& now = file.content.rows;
  if (before.empty() || now.empty()) return "its content differs";
  const auto first = static_cast<std::size_t>(std::ranges::mismatch(before, now).in1 - before.begin());
  if (first == now.size() && first == before.size()) return "its rows are written otherwise";
  if (first == now.size())
    return fmt::format("it ends after {} of its {}", core::counted(static_cast<std::int64_t>(first), "row"),
                       before.size());
  const std::string place = data::place_of_row(file.content.path, first, file.options);
  if (first == before.size())
    return fmt::format("{} more, the first at {}",
                       core::counted(static_cast<std::int64_t>(now.size() - first), "row"), place);
  return fmt::format("row {} is the first that differs ({})", first, place);
}

std::string DataFiles::difference(const core::Json& before, const std::string& folder) const {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const auto& [options, content] = files_[i];
    if (i >= before.size() || before[i].value("setting", "") != options.key)
      return fmt::format("{}: {} is new", options.key, content.path);
    const std::string then = before[i].value("path", "");
    if (then != content.path)
      return fmt::format("{}: {} stands where {} was", options.key, content.path, then);
    if (before[i].value("fingerprint", "") != in_hex(content.fingerprint))
      return fmt::format("{}: {}: {}", options.key, content.path,
                         difference_of_rows(files_[i], rows_before(before, i, folder)));
  }
  if (before.size() > files_.size()) {
    const core::Json& gone = before[files_.size()];
    return fmt::format("{}: {} is gone", gone.value("setting", ""), gone.value("path", ""));
  }
  return "";
}

}  // namespace attune::training
