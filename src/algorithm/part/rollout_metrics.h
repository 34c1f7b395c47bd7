// Metrics of a step of sampled completions: their rewards and their lengths, under TRL's names.
#pragma once

#include <vector>

#include "algorithm/method.h"

namespace attune::algorithm {

/// "reward" and "reward_std" over the step (candidates without a reward left out), and
/// "frac_reward_zero_std": the share of candidates whose group has nothing to tell apart.
void add_reward_metrics(const std::vector<Candidate>& candidates, const std::vector<bool>& no_spread,
                        Metrics& metrics);

/// "completions/{mean,min,max}_length", the same of completions that ended by themselves
/// ("…_terminated_length"; 0 when none did), and "completions/clipped_ratio", the share that the length limit
/// cut.
void add_length_metrics(const Batch& step, Metrics& metrics);

}  // namespace attune::algorithm
