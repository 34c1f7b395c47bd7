#include "algorithm/base/group/group_policy_method.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/part/group_statistics.h"
#include "algorithm/part/kl_estimators.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

at::Tensor PolicyRatios::to_tokens(const at::Tensor& x, const Batch& batch) const {
  return per_token ? x : spread(x, batch.offsets);
}

core::Fields GroupPolicyMethod::fields() {
  core::Fields fields;
  fields.add("beta", beta_, "Weight of the KL penalty towards the reference; 0: no reference is needed.")
      .non_negative();
  declare(fields);
  if (scales_rewards()) {
    fields
        .add("scale_rewards", scale_rewards_,
             "Divide advantages by the deviation of the group, the batch, or nothing.")
        .one_of({"group", "batch", "none"});
  }
  fields
      .add("importance_sampling_level", importance_sampling_level_,
           "One ratio per token, or one per sequence (their geometric mean, GSPO, arXiv:2507.18071).")
      .one_of({"token", "sequence"});
  fields.add("use_bias_correction_kl", use_bias_correction_kl_,
             "Multiply the KL penalty by the ratio (DeepSeek-V3.2, arXiv:2512.02556), TRL's default; false: "
             "as in the GRPO paper.");
  fields.add("mask_truncated_completions", mask_truncated_, "Leave completions cut by the length limit out.");
  fields
      .add("off_policy_mask_threshold", off_policy_mask_threshold_,
           "Leave completions with a negative advantage out from which the policy has moved further than "
           "this, in nats a token (DeepSeek-V3.2, arXiv:2512.02556); null: none.")
      .optional();
  fields
      .add("top_entropy_quantile", top_entropy_quantile_,
           "Learn only from this share of the tokens, those of highest entropy (arXiv:2506.01939).")
      .range(0, 1);
  fields.add("entropy_coef", entropy_coef_, "Weight of a bonus for the mean entropy of the tokens.")
      .non_negative();
  return fields;
}

std::vector<Need> GroupPolicyMethod::needs() const {
  std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}, {"logps", Source::kOld}};
  if (beta_ > 0) needs.push_back({"logps", Source::kReference});
  const bool bonus = entropy_coef_ > 0, ranked = top_entropy_quantile_ < 1;
  needs.push_back({"entropy", Source::kPolicy, Positions::kTokens, bonus, !bonus && !ranked});
  return needs;
}

GroupAdvantages GroupPolicyMethod::advantages_of(const Batch& step) const {
  const RewardScale scale = scale_rewards_ == "group"   ? RewardScale::kGroup
                            : scale_rewards_ == "batch" ? RewardScale::kBatch
                                                        : RewardScale::kNone;
  return group_advantages(step.candidates, scale);
}

void GroupPolicyMethod::prepare(Batch& step, State& /*state*/, Metrics& metrics) const {
  const GroupAdvantages groups = advantages_of(step);
  step.fix("advantages", Positions::kLast, vector_of(groups.advantages));
  double kept = 0;
  for (std::int64_t i = 0; i < step.size(); ++i) {
    if (!dropped(step.candidates[i])) kept += static_cast<double>(step.offsets[i + 1] - step.offsets[i]);
  }
  step.fix("kept_tokens", Positions::kLast, at::full({step.size()}, std::max(1.0, kept), at::kDouble));
  add_reward_metrics(step.candidates, groups.no_spread, metrics);
  add_length_metrics(step, metrics);
  add_step_metrics(step, metrics);
}

PolicyRatios GroupPolicyMethod::ratios_of(const Batch& batch) const {
  const at::Tensor& advantages = batch.fixed("advantages");
  const at::Tensor log_ratio = batch.signal("logps") - batch.signal("old_logps").detach();
  if (importance_sampling_level_ == "token") {
    return {log_ratio, log_ratio.exp(), spread(advantages, batch.offsets), true};
  }
  return {log_ratio, segment_mean(log_ratio, batch.offsets).exp(), advantages, false};
}

at::Tensor GroupPolicyMethod::counted(const PolicyRatios& ratios, const Batch& batch,
                                      const at::Tensor& in_loss) const {
  at::Tensor mask = in_loss;
  if (!std::isnan(off_policy_mask_threshold_)) {
    const at::Tensor moved = segment_mean(-ratios.log_ratio.detach(), batch.offsets);
    const at::Tensor fine =
        at::logical_or(batch.fixed("advantages") >= 0, moved <= off_policy_mask_threshold_);
    mask = mask * spread(fine.to(at::kDouble), batch.offsets);
  }
  if (top_entropy_quantile_ < 1) {
    const at::Tensor entropy = batch.signal("entropy").detach();
    const at::Tensor candidates = entropy.masked_select(in_loss > 0);
    if (candidates.numel() > 0)
      mask = mask * (entropy >= at::quantile(candidates, 1 - top_entropy_quantile_)).to(at::kDouble);
  }
  return mask;
}

Loss GroupPolicyMethod::loss(const Batch& batch, const State& /*state*/) const {
  const PolicyRatios ratios = ratios_of(batch);
  std::vector<double> weights, keep;
  for (const Candidate& candidate : batch.candidates) {
    keep.push_back(dropped(candidate) ? 0 : 1);
    weights.push_back(keep.back() * candidate.weight);
  }
  const at::Tensor kept = vector_of(keep), in_loss = spread(kept, batch.offsets),
                   mask = counted(ratios, batch, in_loss);
  Loss result;
  at::Tensor per_token = token_loss(ratios, batch, kept, result.metrics) * mask;
  if (beta_ > 0) {
    at::Tensor kl = kl_k3(batch.signal("logps"), batch.signal("ref_logps").detach());
    if (use_bias_correction_kl_) kl = kl * ratios.to_tokens(ratios.ratio, batch);
    per_token = per_token + beta_ * kl;
    result.metrics["kl"] = mean_metric(kl, in_loss);
  }
  result.value = (segment_sum(per_token, batch.offsets) * vector_of(weights) / normaliser(batch)).sum();
  if (entropy_coef_ > 0) {
    // The mean is over the tokens that the bonus acts on; all of them, unless the whole step is here to be
    // ranked.
    const bool ranked = top_entropy_quantile_ < 1;
    const at::Tensor tokens = ranked ? mask.sum().clamp_min(1) : batch.fixed("kept_tokens").select(0, 0);
    const at::Tensor bonus = (batch.signal("entropy") * (ranked ? mask : in_loss)).sum() / tokens;
    result.value = result.value - entropy_coef_ * bonus;
  }
  add_token_metrics(batch, result.metrics, [this](const Candidate& c) { return !dropped(c); });
  return result;
}

Metric GroupPolicyMethod::mean_over(const at::Tensor& x, const PolicyRatios& ratios, const Batch& batch,
                                    const at::Tensor& kept) {
  return mean_metric(x, ratios.per_token ? spread(kept, batch.offsets) : kept);
}

}  // namespace attune::algorithm
