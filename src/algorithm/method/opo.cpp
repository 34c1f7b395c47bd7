// On-policy RL with optimal baseline (Hao et al. 2025, arXiv:2505.23585):
//
//   L = mean_i Σ_t [ −A log π(y_t) + β k3 ],   k3 = π_ref/π − log(π_ref/π) − 1
//   A = r − Σ_j |y_j| r_j / Σ_j |y_j|, over the group
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/base/group/group_policy_method.h"
#include "algorithm/part/group_statistics.h"

namespace attune::algorithm {

namespace {

class Opo final : public GroupPolicyMethod {
 public:
  Opo() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "opo";
    info.title = "On-policy RL with optimal baseline";
    info.paper = "Hao et al. 2025, arXiv:2505.23585";
    info.formula =
        "L = mean_i Σ_t [ −A log π(y_t) + β k3 ]\nk3 = π_ref/π − log(π_ref/π) − 1,  A_i = r_i − Σ_j |y_j| r_j / Σ_j |y_j|, over the group";
    info.summary =
        "The plain policy gradient with the baseline of least variance: the mean of rewards weighed by length.";
    return info;
  }

 protected:
  bool scales_rewards() const override { return false; }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      double sum = 0, tokens = 0;
      for (std::size_t i = begin; i < end; ++i) {
        if (std::isnan(record::reward_of(step.candidates[i]))) continue;
        const auto length = static_cast<double>(step.offsets[i + 1] - step.offsets[i]);
        sum += length * record::reward_of(step.candidates[i]);
        tokens += length;
      }
      for (std::size_t i = begin; i < end; ++i) {
        const double a = record::reward_of(step.candidates[i]) - sum / std::max(tokens, 1.0);
        result.advantages[i] = std::isnan(a) ? 0 : a;
      }
    }
    return result;
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& /*kept*/,
                        Metrics& /*metrics*/) const override {
    return -ratios.to_tokens(ratios.advantages, batch) * batch.signal("logps");
  }
  at::Tensor normaliser(const Batch& batch) const override {
    return at::full({batch.size()}, batch.totals.candidates, at::kDouble);
  }
};

}  // namespace

std::unique_ptr<Method> method_opo() { return std::make_unique<Opo>(); }

}  // namespace attune::algorithm
