// What evaluations said prompt by prompt: what it takes to tell a change from chance.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "statistics/intervals.h"

namespace attune::report {

/// One metric of an evaluation, a number and a count for each prompt; no counts: one each.
struct PromptNumbers {
  std::vector<double> sums, counts;
  statistics::ClusterSums all() const { return {sums, counts}; }
};

/// A line of evaluations.jsonl.
struct HeldOut {
  double step = 0;
  std::string data;  ///< fingerprint of the held-out data: only evaluations of the same are compared
  std::map<std::string, PromptNumbers, std::less<>> metrics;  ///< by name, "eval_" included
};

/// Nothing for a line that is not one; lists of other lengths than `prompts` are left out.
std::optional<HeldOut> read_held_out(const core::Json& line);

/// The evaluation of a step, or null.
const HeldOut* held_out_at(std::span<const HeldOut> evaluations, double step);

/// How a metric moved between two evaluations of the same prompts.
struct HeldOutChange {
  double before = statistics::kUnknown, after = statistics::kUnknown;
  statistics::Estimate change;
  /// Of accuracies: pairs that neither side won, which count half here (a model compared with itself ties on
  /// every pair), and how many pairs there are.
  double ties_before = 0, ties_after = 0, pairs = 0;
};

/// Nothing where one of the two does not have the metric, or they are about different data. The margin of
/// methods without pairs is made of the rewards of good and of bad completions, over all of them.
/// @param metric with "eval_"
/// @param shares see statistics::clustered_change
std::optional<HeldOutChange> held_out_change(const HeldOut& before, const HeldOut& after,
                                             std::string_view metric, bool shares);

}  // namespace attune::report
