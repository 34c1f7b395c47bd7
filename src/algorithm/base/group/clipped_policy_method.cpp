#include "algorithm/base/group/clipped_policy_method.h"

#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

void ClippedPolicyMethod::declare(core::Fields& fields) {
  fields.add("epsilon", epsilon_, "Ratios are clipped to [1 − epsilon, 1 + epsilon_high].").range(0, 1);
  fields.add("epsilon_high", epsilon_high_, "Upper clip; null: the same as epsilon.")
      .non_negative()
      .optional();
  fields.add("delta", delta_, "Cap of the unclipped ratio (two-sided clipping); null: none.")
      .positive()
      .optional();
}

double ClippedPolicyMethod::high() const { return std::isnan(epsilon_high_) ? epsilon_ : epsilon_high_; }

void ClippedPolicyMethod::check() const {
  if (!std::isnan(delta_) && delta_ <= 1 + high()) {
    core::fail_request("method.delta: {} must be larger than 1 + epsilon_high = {}", delta_, 1 + high());
  }
}

at::Tensor ClippedPolicyMethod::token_loss(const PolicyRatios& ratios, const Batch& batch,
                                           const at::Tensor& kept, Metrics& metrics) const {
  const at::Tensor inside = ratios.ratio.clamp(1 - epsilon_, 1 + high());
  const at::Tensor ratio = std::isnan(delta_) ? ratios.ratio : ratios.ratio.clamp_max(delta_);
  add_clip_metrics(ratios, ratio.detach(), batch, kept, metrics);
  return ratios.to_tokens(-at::minimum(ratio * ratios.advantages, inside * ratios.advantages), batch);
}

void ClippedPolicyMethod::add_clip_metrics(const PolicyRatios& ratios, const at::Tensor& ratio,
                                           const Batch& batch, const at::Tensor& kept,
                                           Metrics& metrics) const {
  const at::Tensor low = at::logical_and(ratio < 1 - epsilon_, ratios.advantages < 0).to(at::kDouble);
  const at::Tensor high_side = at::logical_and(ratio > 1 + high(), ratios.advantages > 0).to(at::kDouble);
  metrics["clip_ratio/low_mean"] = mean_over(low, ratios, batch, kept);
  metrics["clip_ratio/high_mean"] = mean_over(high_side, ratios, batch, kept);
  metrics["clip_ratio/region_mean"] = mean_over(at::maximum(low, high_side), ratios, batch, kept);
  const auto of_sequences = [&](const at::Tensor& x) {
    return (ratios.per_token ? segment_mean(x, batch.offsets) : x).index_select(0, kept.nonzero().flatten());
  };
  if (kept.sum().item<double>() == 0) return;
  metrics["clip_ratio/low_min"] = Metric::min(of_sequences(low).min().item<double>());
  metrics["clip_ratio/high_max"] = Metric::max(of_sequences(high_side).max().item<double>());
}

}  // namespace attune::algorithm
