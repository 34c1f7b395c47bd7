// Maximum likelihood RL (Tajwar et al. 2026, arXiv:2602.02710):
//
//   L = mean_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ],   ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1
//   A = (r − mean of the group) / mean of the group; 0 where the mean is not positive.
#include <ATen/ATen.h>

#include "algorithm/base/clipped_policy_method.h"
#include "algorithm/part/group_statistics.h"

namespace attune::algorithm {

namespace {

class MaxRl final : public ClippedPolicyMethod {
 public:
  MaxRl() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "maxrl";
    info.title = "Maximum likelihood RL";
    info.paper = "Tajwar et al. 2026, arXiv:2602.02710";
    info.formula =
        "L = mean_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ]\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / mean of group, 0 where that mean is not positive";
    info.summary =
        "Learns hard prompts most: an advantage is divided by the mean reward of its prompt, which follows the log of the chance of being right.";
    info.departures =
        "Meant for rewards of 0 and 1; others are taken as they are, and a group whose mean is not positive teaches nothing.";
    return info;
  }

 protected:
  bool scales_rewards() const override { return false; }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    for (std::size_t i = 0; i < result.advantages.size(); ++i) {
      const double mean = record::reward_of(step.candidates[i]) - result.advantages[i];
      result.advantages[i] = mean > 0 ? result.advantages[i] / mean : 0;
    }
    return result;
  }
  at::Tensor normaliser(const Batch& batch) const override {
    return at::full({batch.size()}, batch.totals.candidates, at::kDouble);
  }
};

}  // namespace

std::unique_ptr<Method> method_maxrl() { return std::make_unique<MaxRl>(); }

}  // namespace attune::algorithm
