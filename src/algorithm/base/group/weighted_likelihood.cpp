#include "algorithm/base/group/weighted_likelihood.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/group_statistics.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/row_needs.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

core::Fields WeightedLikelihood::fields() {
  core::Fields fields;
  declare(fields);
  fields
      .add(
          "baseline", baseline_,
          "What is taken from a reward: the mean of its prompt's, or nothing. A prompt with one answer has no mean of "
          "others.")
      .one_of({"group", "none"});
  return fields;
}

std::vector<Need> WeightedLikelihood::needs() const {
  std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}};
  if (uses_reference()) needs.push_back({"logps", Source::kReference});
  return with_token_metrics(std::move(needs));
}

std::vector<double> WeightedLikelihood::advantages_of(const std::vector<Candidate>& candidates) const {
  std::vector<double> rewards = group_advantages(candidates, RewardScale::kNone).advantages;
  if (baseline_ == "none")
    for (std::size_t i = 0; i < rewards.size(); ++i) rewards[i] = candidates[i].reward.value_or(0);
  return rewards;
}

record::FeedbackNeeds WeightedLikelihood::feedback_needs() const {
  const auto weighs_nothing = [this](std::span<const Candidate> group) {
    const auto advantages = advantages_of({group.begin(), group.end()});
    return std::ranges::all_of(advantages, [this](double advantage) { return weight_of(advantage, 0) == 0; });
  };
  return {{teaching_group(fmt::format("weights of {}, baseline {}", info().name, baseline_),
                          "nothing is learned where no answer to a prompt has a weight by its reward",
                          weighs_nothing)},
          record::Contrast::kRewards};
}

void WeightedLikelihood::prepare(Batch& step, State& /*state*/, Metrics& metrics) const {
  const GroupAdvantages groups = group_advantages(step.candidates, RewardScale::kNone);
  step.fix("advantages", Positions::kLast, vector_of(advantages_of(step.candidates)));
  add_reward_metrics(step.candidates, groups.no_spread, metrics);
}

Loss WeightedLikelihood::loss(const Batch& batch, const State& /*state*/) const {
  const at::Tensor &logps = batch.signal("logps"), &advantages = batch.fixed("advantages");
  const at::Tensor log_ratio = uses_reference()
                                   ? segment_sum((logps - batch.signal("ref_logps")).detach(), batch.offsets)
                                   : at::Tensor();
  std::vector<double> weights;
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    const double moved = log_ratio.defined() ? log_ratio[i].item<double>() : 0;
    weights.push_back(batch.candidates[i].weight * weight_of(advantages[i].item<double>(), moved));
  }
  Loss result;
  result.value = -(segment_mean(logps, batch.offsets) * vector_of(weights)).sum() / batch.totals.candidates;
  add_token_metrics(batch, result.metrics);
  return result;
}

}  // namespace attune::algorithm
