// Clipped Importance Sampling Policy Optimization (MiniMax-M1, arXiv:2506.13585, eq. 4 and 5): the weight is
// clipped, not the gradient, so that every token keeps learning.
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −sg(min(ρ, ε_high)) A_i log π(y_t) + β k3 ],   ρ = π(y_t)/π_old(y_t)
//
// with advantage A_i = (r_i − mean of the group) / (std + 1e-4), k3 = π_ref/π − log(π_ref/π) − 1, sg: no
// gradient.
#include <ATen/ATen.h>

#include "algorithm/base/group/group_policy_method.h"

namespace attune::algorithm {

namespace {

class Cispo final : public GroupPolicyMethod {
 public:
  Cispo() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cispo";
    info.title = "Clipped Importance Sampling Policy Optimization";
    info.paper = "MiniMax 2025, arXiv:2506.13585, eq. 4 and 5";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −sg(min(ρ, ε_high)) A_i log π(y_t) + β k3 ]\n"
        "ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary =
        "Caps a token's weight instead of dropping its gradient: rare, decisive tokens keep learning.";
    info.departures =
        "epsilon_high is the cap itself, as in TRL, and 5 here (arXiv:2510.13786); TRL takes epsilon = 0.2 "
        "when it is not given, which shrinks every weight to a fifth.";
    info.trl_names = {{"grpo", "cispo"}};
    info.stopped = {"logps"};
    info.rows = {"T13"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("epsilon_high", epsilon_high_, "Cap of the ratios.").positive();
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& kept,
                        Metrics& metrics) const override {
    const at::Tensor ratio = ratios.ratio.detach();
    const at::Tensor capped = at::logical_and(ratio > epsilon_high_, ratios.advantages > 0).to(at::kDouble);
    metrics["cispo_clip_ratio"] = mean_over(capped, ratios, batch, kept);
    return -ratios.to_tokens(ratio.clamp_max(epsilon_high_) * ratios.advantages, batch) *
           batch.signal("logps");
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  double epsilon_high_ = 5;
};

}  // namespace

std::unique_ptr<Method> method_cispo() { return std::make_unique<Cispo>(); }

}  // namespace attune::algorithm
