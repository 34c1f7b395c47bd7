#include "training/run/recipe/fitting_rows.h"

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"
#include "data/read_rows.h"
#include "data/rows/example_source.h"
#include "data/rows/file/source_files.h"
#include "training/run/recipe/objections.h"

namespace attune::training {
namespace {

constexpr std::int64_t kLookedAt = 10000;

bool is_there(const data::DataOptions& options) {
  std::error_code ignored;
  const auto entries = data::source_entries(options);
  return !entries.empty() && std::ranges::all_of(entries, [&](const data::SourceEntry& entry) {
    return core::fs::exists(entry.path, ignored);
  });
}

void take(const data::SourceRow& row, const data::RowUse& use, data::DatasetSummary& summary) {
  const auto& candidates = row.example.value().candidates;
  auto found = use.pairing().group(candidates, use.shape(), {0, static_cast<std::uint64_t>(row.index), 0},
                                   summary.feedback);
  if (found.ok())
    ++summary.rows_kept;
  else
    summary.drop(found.error().reason, row.where, found.error().detail);
}

/// @throws Error{kRequest} as reading all of them would
void require_fitting(data::DataOptions options, const data::RowUse& use, const Learner& reader) {
  if (options.limit == 0 || options.limit > kLookedAt) options.limit = kLookedAt;
  data::ExampleSource source(options);
  data::MalformedRows malformed;
  data::DatasetSummary summary;
  for (data::SourceRow row; source.next(row); ++summary.rows_read) {
    data::judge_numbers(row, use);
    if (row.example.ok())
      take(row, use, summary);
    else
      malformed.add(row);
  }
  if (summary.rows_read == 0) core::fail_request("{}: no rows", options.name());
  if (options.on_error == "fail") malformed.fail_if_any(options.name(), summary.rows_read);
  require_rows(options, summary, use, reader);
}

}  // namespace

std::vector<std::string> rows_that_do_not_fit(const TrainRecipe& recipe, std::span<const TermSetting> terms) {
  Objections found;
  for (const TermSetting& term : terms)
    found.ask([&] {
      if (is_there(term.data)) require_fitting(term.data, term.use, {term.name, recipe.model.path});
    });
  if (recipe.eval.data.is_null()) return std::move(found).said();
  for (const TermSetting& term : terms)
    found.ask([&] {
      const auto held_out = held_out_options(recipe);
      if (is_there(held_out)) require_fitting(held_out, term.use, {term.name, recipe.model.path});
    });
  return std::move(found).said();
}

}  // namespace attune::training
