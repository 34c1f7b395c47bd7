// DAPO (Yu et al. 2025, arXiv:2503.14476, eq. 8): every token of the step counts the same.
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε_high) A_i) + β k3 ],   ρ = π(y_t)/π_old(y_t)
//
// with advantage A_i = (r_i − mean of the group) / (std + 1e-4) and k3 = π_ref/π − log(π_ref/π) − 1.
#include <ATen/ATen.h>

#include "algorithm/base/group/clipped_policy_method.h"

namespace attune::algorithm {

namespace {

class Dapo final : public ClippedPolicyMethod {
 public:
  Dapo() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "dapo";
    info.title = "Decoupled Clip and Dynamic Sampling Policy Optimization";
    info.paper = "Yu et al. 2025, arXiv:2503.14476, eq. 8";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε_high) A_i) + β k3 ]\n"
        "ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary = "GRPO in which every token of the step counts the same, so long answers are not diluted.";
    info.departures =
        "The paper clips at epsilon_high 0.28 and samples until no group has equal rewards; here, as in TRL, "
        "epsilon_high defaults to epsilon and sampling is the recipe's business.";
    info.trl_names = {{"grpo", "dapo"}};
    info.rows = {"T13"};
    return info;
  }

 protected:
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }
};

}  // namespace

std::unique_ptr<Method> method_dapo() { return std::make_unique<Dapo>(); }

}  // namespace attune::algorithm
