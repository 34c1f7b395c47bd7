#include "record/derived_feedback.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace attune::record {
namespace {

double label_value(const Candidate& candidate) { return *candidate.label ? 1 : 0; }

/// Ranks from values of which more is better: 0 for the highest, equal values tie.
void rank_by(std::span<Candidate> candidates, auto value) {
  std::set<double, std::greater<>> levels;
  for (const auto& candidate : candidates) levels.insert(value(candidate));
  for (auto& candidate : candidates)
    candidate.rank = static_cast<double>(std::distance(levels.begin(), levels.find(value(candidate))));
}

}  // namespace

std::optional<std::size_t> right_steps(const Candidate& candidate) {
  const auto& scores = candidate.step_scores;
  const auto wrong =
      std::find_if(scores.begin(), scores.end(), [](double score) { return !(score >= kRightStep); });
  if (wrong == scores.end()) return {};
  return static_cast<std::size_t>(wrong - scores.begin());
}

std::optional<core::ItemError> need_ranks(std::span<Candidate> candidates, std::string& said) {
  if (all_have<double>(candidates, &Candidate::rank)) return {};
  if (all_have<double>(candidates, &Candidate::reward)) {
    rank_by(candidates, [](const Candidate& c) { return *c.reward; });
    said = "ranks from rewards";
    return {};
  }
  if (all_have<bool>(candidates, &Candidate::label)) {
    rank_by(candidates, label_value);
    said = "ranks from labels";
    return {};
  }
  return core::ItemError{"no ranks, rewards or labels", ""};
}

std::optional<core::ItemError> need_labels(std::span<Candidate> candidates, std::string& said) {
  if (all_have<bool>(candidates, &Candidate::label)) return {};
  if (all_have<double>(candidates, &Candidate::rank) && candidates.size() > 1) {
    for (auto& candidate : candidates)
      if (!candidate.label) candidate.label = *candidate.rank == 0;
    said = "labels from ranks (the best are good)";
    return {};
  }
  if (all_have<double>(candidates, &Candidate::reward))
    return core::ItemError{
        "rewards and no labels: pairing=threshold or pairing=prompt_mean makes labels of them", ""};
  return core::ItemError{"no labels", ""};
}

std::optional<core::ItemError> need_rewards(std::span<Candidate> candidates, std::string& said) {
  if (all_have<double>(candidates, &Candidate::reward)) return {};
  if (all_have<bool>(candidates, &Candidate::label)) {
    for (auto& candidate : candidates) candidate.reward = label_value(candidate);
    said = "rewards from labels (good is 1, bad is 0)";
    return {};
  }
  if (all_have<double>(candidates, &Candidate::rank))
    return core::ItemError{
        "ranks and no rewards: learn from the order with a method on pairs (dpo), or rate the completions "
        "first (attune score)",
        ""};
  return core::ItemError{"no rewards", ""};
}

bool same_completion(const Candidate& a, const Candidate& b) {
  if (a.completion_ids && b.completion_ids) return *a.completion_ids == *b.completion_ids;
  return !a.completion.is_null() && a.completion == b.completion;
}

}  // namespace attune::record
