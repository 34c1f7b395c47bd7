// Group policy gradient (Chu et al. 2025, arXiv:2504.02546):
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −A log π(y_t) + β k3 ],   k3 = π_ref/π − log(π_ref/π) − 1
//   A = α (r − mean of the group),   α = groups of the step / groups whose rewards differ
#include <ATen/ATen.h>

#include <algorithm>
#include <cstddef>

#include "algorithm/base/group/group_policy_method.h"
#include "algorithm/part/group_statistics.h"

namespace attune::algorithm {

namespace {

class Gpg final : public GroupPolicyMethod {
 public:
  Gpg() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "gpg";
    info.title = "Group policy gradient";
    info.paper = "Chu et al. 2025, arXiv:2504.02546";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −A log π(y_t) + β k3 ]\nk3 = π_ref/π − log(π_ref/π) − 1,  A_i = α (r_i − mean of group),   α = groups / groups whose rewards differ";
    info.summary = "The plain policy gradient on groups, scaled up where some groups have nothing to tell.";
    info.departures = "Rewards are not divided by a norm: F_norm is 1, as in the paper's best setting.";
    return info;
  }

 protected:
  bool scales_rewards() const override { return false; }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    double groups = 0, telling = 0;
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      groups += 1;
      const auto same = [&](const Candidate& c) { return c.reward == step.candidates[begin].reward; };
      telling += std::all_of(step.candidates.begin() + static_cast<std::ptrdiff_t>(begin),
                             step.candidates.begin() + static_cast<std::ptrdiff_t>(end), same)
                     ? 0
                     : 1;
    }
    for (double& advantage : result.advantages) advantage *= telling > 0 ? groups / telling : 0;
    return result;
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& /*kept*/,
                        Metrics& /*metrics*/) const override {
    return -ratios.to_tokens(ratios.advantages, batch) * batch.signal("logps");
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }
};

}  // namespace

std::unique_ptr<Method> method_gpg() { return std::make_unique<Gpg>(); }

}  // namespace attune::algorithm
