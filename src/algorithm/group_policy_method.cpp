#include "algorithm/group_policy_method.h"

#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/group_statistics.h"
#include "algorithm/kl_estimators.h"
#include "algorithm/rollout_metrics.h"
#include "algorithm/segments.h"
#include "algorithm/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

core::Fields GroupPolicyMethod::fields() {
  core::Fields fields;
  fields.add("beta", beta_, "Weight of the KL penalty towards the reference; 0: no reference is needed.")
      .non_negative();
  fields.add("epsilon", epsilon_, "Ratios are clipped to [1 − epsilon, 1 + epsilon_high].").range(0, 1);
  fields.add("epsilon_high", epsilon_high_, "Upper clip; null: the same as epsilon.")
      .non_negative()
      .optional();
  fields.add("delta", delta_, "Cap of the unclipped ratio (two-sided clipping); null: none.")
      .positive()
      .optional();
  fields
      .add("scale_rewards", scale_rewards_,
           "Divide advantages by the deviation of the group, the batch, or nothing.")
      .one_of({"group", "batch", "none"});
  fields
      .add("importance_sampling_level", importance_sampling_level_,
           "One ratio per token, or one per sequence (their geometric mean, GSPO, arXiv:2507.18071).")
      .one_of({"token", "sequence"});
  fields.add("use_bias_correction_kl", use_bias_correction_kl_,
             "Multiply the KL penalty by the ratio (DeepSeek-V3.2, arXiv:2512.02556), TRL's default; false: "
             "as in the "
             "GRPO paper.");
  fields.add("mask_truncated_completions", mask_truncated_, "Leave completions cut by the length limit out.");
  declare(fields);
  return fields;
}

void GroupPolicyMethod::check() const {
  const double high = std::isnan(epsilon_high_) ? epsilon_ : epsilon_high_;
  if (!std::isnan(delta_) && delta_ <= 1 + high) {
    core::fail_request("method.delta: {} must be larger than 1 + epsilon_high = {}", delta_, 1 + high);
  }
}

std::vector<Need> GroupPolicyMethod::needs() const {
  std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}, {"logps", Source::kOld}};
  if (beta_ > 0) needs.push_back({"logps", Source::kReference});
  needs.push_back(metric_need("entropy"));
  return needs;
}

void GroupPolicyMethod::prepare(Batch& step, State& /*state*/, Metrics& metrics) const {
  const RewardScale scale = scale_rewards_ == "group"   ? RewardScale::kGroup
                            : scale_rewards_ == "batch" ? RewardScale::kBatch
                                                        : RewardScale::kNone;
  const GroupAdvantages groups = group_advantages(step.candidates, scale);
  step.prepared["advantages"] = vector_of(groups.advantages);
  double kept = 0;
  for (std::int64_t i = 0; i < step.size(); ++i) {
    if (!dropped(step.candidates[i])) kept += static_cast<double>(step.offsets[i + 1] - step.offsets[i]);
  }
  step.prepared["kept_tokens"] = at::full({step.size()}, std::max(1.0, kept), at::kDouble);
  add_reward_metrics(step.candidates, groups.no_spread, metrics);
  add_length_metrics(step, metrics);
}

GroupPolicyMethod::Ratios GroupPolicyMethod::ratios(const Batch& batch, const at::Tensor& logps) const {
  const auto advantages = batch.prepared.find("advantages");
  ATTUNE_ASSERT(advantages != batch.prepared.end());
  const at::Tensor log_ratio = logps - batch.signal("old_logps").detach();
  if (importance_sampling_level_ == "token") {
    return {log_ratio.exp(), spread(advantages->second, batch.offsets), true};
  }
  return {segment_mean(log_ratio, batch.offsets).exp(), advantages->second, false};
}

at::Tensor GroupPolicyMethod::clipped(Ratios& ratios) const {
  const double high = std::isnan(epsilon_high_) ? epsilon_ : epsilon_high_;
  const at::Tensor inside = ratios.ratio.clamp(1 - epsilon_, 1 + high);
  if (!std::isnan(delta_)) ratios.ratio = ratios.ratio.clamp_max(delta_);
  return -at::minimum(ratios.ratio * ratios.advantages, inside * ratios.advantages);
}

Loss GroupPolicyMethod::loss(const Batch& batch, const State& /*state*/) const {
  const at::Tensor& logps = batch.signal("logps");
  Ratios terms = ratios(batch, logps);
  const auto per_token = [&](const at::Tensor& x) { return terms.per_token ? x : spread(x, batch.offsets); };
  const at::Tensor unclipped = terms.ratio;
  at::Tensor token_loss = per_token(clipped(terms));
  std::vector<double> weights, kept;
  for (const Candidate& candidate : batch.candidates) {
    kept.push_back(dropped(candidate) ? 0 : 1);
    weights.push_back(kept.back() * candidate.weight);
  }
  const at::Tensor keep = vector_of(kept);
  Loss result;
  if (beta_ > 0) {
    at::Tensor kl = kl_k3(logps, batch.signal("ref_logps").detach());
    if (use_bias_correction_kl_) kl = kl * per_token(unclipped);
    token_loss = token_loss + beta_ * kl;
    result.metrics["kl"] = mean_metric(kl, spread(keep, batch.offsets));
  }
  result.value = (segment_sum(token_loss, batch.offsets) * vector_of(weights) / normaliser(batch)).sum();
  add_clip_metrics(terms, batch, keep, result.metrics);
  add_token_metrics(batch, result.metrics, [this](const Candidate& c) { return !dropped(c); });
  return result;
}

void GroupPolicyMethod::add_clip_metrics(const Ratios& terms, const Batch& batch, const at::Tensor& keep,
                                         Metrics& metrics) const {
  const double upper = 1 + (std::isnan(epsilon_high_) ? epsilon_ : epsilon_high_);
  const at::Tensor ratio = terms.ratio.detach(), mask = terms.per_token ? spread(keep, batch.offsets) : keep;
  const at::Tensor low = at::logical_and(ratio < 1 - epsilon_, terms.advantages < 0).to(at::kDouble);
  const at::Tensor high = at::logical_and(ratio > upper, terms.advantages > 0).to(at::kDouble);
  metrics["clip_ratio/low_mean"] = mean_metric(low, mask);
  metrics["clip_ratio/high_mean"] = mean_metric(high, mask);
  metrics["clip_ratio/region_mean"] = mean_metric(at::maximum(low, high), mask);
  const auto of_sequences = [&](const at::Tensor& x) {
    return (terms.per_token ? segment_mean(x, batch.offsets) : x).index_select(0, keep.nonzero().flatten());
  };
  if (keep.sum().item<double>() == 0) return;
  metrics["clip_ratio/low_min"] = Metric::min(of_sequences(low).min().item<double>());
  metrics["clip_ratio/high_max"] = Metric::max(of_sequences(high).max().item<double>());
}

}  // namespace attune::algorithm
