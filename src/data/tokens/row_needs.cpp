#include "data/tokens/row_needs.h"

#include <algorithm>

namespace attune::data {

std::optional<core::ItemError> check_needs(std::span<const record::Candidate> said,
                                           std::span<const record::Pair> pairs, const RowUse& use,
                                           CachedRow& row) {
  for (const record::RowNeed& need : use.needs().rows) {
    auto problem = need.problem(said, pairs);
    if (!problem) continue;
    if (need.lacking == record::Lacking::kLeavesOut) return problem;
    if (row.teaches_nothing.empty()) row.teaches_nothing = problem->reason;
  }
  const auto weighs_nothing = [](const record::Candidate& candidate) { return candidate.weight == 0; };
  if (use.learns() && !said.empty() && std::ranges::all_of(said, weighs_nothing))
    row.teaches_nothing = "nothing is learned from answers of weight 0";
  return {};
}

}  // namespace attune::data
