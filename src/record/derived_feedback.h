// Feedback that follows from other feedback on the same candidates, and what cannot follow.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "core/error.h"
#include "record/candidate.h"

namespace attune::record {

/// A step of a reasoning counts as right from this score on: true and false are 1 and 0, probabilities are
/// cut in the middle, of −1, 0 and 1 only the 1 is right.
inline constexpr double kRightStep = 0.5;
/// How many leading reasoning steps are right; nothing where all are, or none is scored.
std::optional<std::size_t> right_steps(const Candidate& candidate);

/// Fills in what is missing; `said` becomes e.g. "ranks from rewards" where something was. The problem is
/// that of a record: "no ranks, rewards or labels".
std::optional<core::ItemError> need_ranks(std::span<Candidate> candidates, std::string& said);
std::optional<core::ItemError> need_labels(std::span<Candidate> candidates, std::string& said);
std::optional<core::ItemError> need_rewards(std::span<Candidate> candidates, std::string& said);

/// Whether two completions are known to be equal: by ids where both have them, else by what was written.
bool same_completion(const Candidate& a, const Candidate& b);
/// Whether every candidate has this field (`&Candidate::reward`).
template <class T>
bool all_have(std::span<const Candidate> candidates, std::optional<T> Candidate::* field) {
  for (const Candidate& candidate : candidates)
    if (!(candidate.*field)) return false;
  return !candidates.empty();
}

}  // namespace attune::record
