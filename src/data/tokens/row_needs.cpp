#include "data/tokens/row_needs.h"

#include <algorithm>
#include <set>

namespace attune::data {
namespace {

using Candidates = std::vector<record::Candidate>;

bool all_have(const Candidates& candidates, auto member) {
  return std::all_of(candidates.begin(), candidates.end(),
                     [&](const record::Candidate& c) { return (c.*member).has_value(); });
}

/// Ranks from values of which more is better: 0 for the highest, equal values tie.
void rank_by(Candidates& candidates, auto value) {
  std::set<double, std::greater<>> levels;
  for (const auto& candidate : candidates) levels.insert(value(candidate));
  for (auto& candidate : candidates)
    candidate.rank = static_cast<double>(std::distance(levels.begin(), levels.find(value(candidate))));
}

double label_value(const record::Candidate& candidate) { return *candidate.label ? 1 : 0; }

/// What nobody preferred or accepted is no example to follow.
std::optional<core::ItemError> need_demonstrations(Candidates& candidates) {
  if (candidates.empty()) return core::ItemError{"no completion", ""};
  std::erase_if(candidates, [](const record::Candidate& c) { return !c.label.value_or(c.rank.value_or(0) == 0); });
  if (candidates.empty()) return core::ItemError{"no completion is accepted", ""};
  return {};
}

std::optional<core::ItemError> need_pairs(Candidates& candidates) {
  if (candidates.size() < 2) return core::ItemError{"no pair of completions", ""};
  if (!all_have(candidates, &record::Candidate::rank)) {
    if (all_have(candidates, &record::Candidate::reward))
      rank_by(candidates, [](const record::Candidate& c) { return *c.reward; });
    else if (all_have(candidates, &record::Candidate::label))
      rank_by(candidates, label_value);
    else
      return core::ItemError{"no ranks, rewards or labels", ""};
  }
  const auto differs = [&](const record::Candidate& c) { return *c.rank != *candidates[0].rank; };
  if (std::none_of(candidates.begin(), candidates.end(), differs))
    return core::ItemError{"all candidates tie", ""};
  return {};
}

std::optional<core::ItemError> need_labels(Candidates& candidates) {
  if (candidates.empty()) return core::ItemError{"no completion", ""};
  if (all_have(candidates, &record::Candidate::label)) return {};
  if (!all_have(candidates, &record::Candidate::rank) || candidates.size() < 2)
    return core::ItemError{"no labels", ""};
  for (auto& candidate : candidates)
    if (!candidate.label) candidate.label = *candidate.rank == 0;
  return {};
}

std::optional<core::ItemError> need_rewards(Candidates& candidates) {
  if (candidates.empty()) return core::ItemError{"no completion", ""};
  if (all_have(candidates, &record::Candidate::reward)) return {};
  if (all_have(candidates, &record::Candidate::label)) {
    for (auto& candidate : candidates) candidate.reward = label_value(candidate);
  } else if (all_have(candidates, &record::Candidate::rank)) {
    for (auto& candidate : candidates) candidate.reward = -*candidate.rank;
  } else {
    return core::ItemError{"no rewards", ""};
  }
  return {};
}

}  // namespace

std::optional<core::ItemError> meet_needs(record::Example& example, RowNeeds needs) {
  for (std::size_t i = 0; i < example.candidates.size(); ++i)
    example.candidates[i].index = static_cast<std::uint32_t>(i);
  switch (needs) {
    case RowNeeds::kPromptsOnly:
      // A text or conversation gives its prompt; candidates are sampled, not read.
      if (!example.language_modelling) example.candidates.clear();
      return {};
    case RowNeeds::kDemonstrations:
      return need_demonstrations(example.candidates);
    case RowNeeds::kPairs:
      return need_pairs(example.candidates);
    case RowNeeds::kLabels:
      return need_labels(example.candidates);
    case RowNeeds::kRewards:
      return need_rewards(example.candidates);
    case RowNeeds::kAny:
      return {};
  }
  return {};
}

std::optional<core::ItemError> check_distinct(const record::Example& example, const TokenizedExample& tokenized,
                                              RowNeeds needs) {
  const auto& all = tokenized.completions;
  if (needs == RowNeeds::kDemonstrations || needs == RowNeeds::kRewards || all.size() < 2) return {};
  const auto& candidates = example.candidates;
  const bool judged = std::any_of(candidates.begin(), candidates.end(), [&](const record::Candidate& c) {
    return c.rank && candidates[0].rank && *c.rank != *candidates[0].rank;
  });
  const auto differs = [&](const TokenizedExample::Completion& c) { return c.ids != all[0].ids; };
  if (!judged || std::any_of(all.begin(), all.end(), differs)) return {};
  const bool cut = all[0].truncated;
  return core::ItemError{cut ? "chosen equal to rejected after truncation" : "chosen equal to rejected", ""};
}

}  // namespace attune::data
