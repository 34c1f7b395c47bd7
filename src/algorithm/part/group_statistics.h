// Statistics of rewards in groups and over a step, as TRL computes them: NaN means "no reward" and is left
// out; standard deviations are unbiased (n − 1).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithm/method.h"

namespace attune::algorithm {

struct MeanDeviation {
  double mean = 0;       ///< NaN of nothing
  double deviation = 0;  ///< sqrt(Σ(x−mean)²/(n−1)); NaN for fewer than two numbers
};

MeanDeviation mean_deviation(std::span<const double> values);

/// First and one past the last candidate of each group; candidates of a group stand together.
std::vector<std::pair<std::size_t, std::size_t>> group_ranges(const std::vector<Candidate>& candidates);

/// Whether rewards say nothing of which is better: one alone, or all alike up to rounding.
bool without_spread(std::span<const Candidate> group);

/// What divides an advantage: the deviation of its group, of the whole step, or nothing.
enum class RewardScale { kGroup, kBatch, kNone };

struct GroupAdvantages {
  std::vector<double> advantages;  ///< [N]; 0 where there is no reward
  std::vector<bool>
      no_spread;  ///< [N]: the deviation that would divide is 0: nothing to learn from this group
};

/// advantage = (reward − mean of its group) / (deviation + 1e-4), with candidates of a group standing
/// together. A group (or step) of one candidate has deviation 0.
GroupAdvantages group_advantages(const std::vector<Candidate>& candidates, RewardScale scale);

}  // namespace attune::algorithm
