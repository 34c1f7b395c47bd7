#include "data/group_row.h"

namespace attune::data {

record::Grouping group_row(const TokenizedRow& row, const RowUse& use, const record::PairingKey& key) {
  std::vector<record::Candidate> candidates;
  for (const TokenizedCandidate& candidate : row.candidates) {
    candidates.push_back(candidate.said);
    if (!use.learns(record::GroupShape::kPairs)) continue;
    candidates.back().completion_ids.emplace(candidate.completion.begin(), candidate.completion.end());
  }
  record::Grouping grouping;
  if (use.learns(record::GroupShape::kPairs)) {
    record::PairingCounts counted_before;
    auto found = use.pairing().group(candidates, record::GroupShape::kPairs, key, counted_before);
    if (found.ok()) grouping = std::move(found.value());
    return grouping;
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) grouping.members.push_back(i);
  grouping.said = std::move(candidates);
  return grouping;
}

}  // namespace attune::data
