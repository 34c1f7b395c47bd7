// Group Relative Policy Optimization (Shao et al. 2024, arXiv:2402.03300, eq. 3): every sequence counts the
// same.
//
//   L = mean_i (1/|y_i|) Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε) A_i) + β k3 ],   ρ = π(y_t)/π_old(y_t)
//
// with advantage A_i = (r_i − mean of the group) / (std + 1e-4) and k3 = π_ref/π − log(π_ref/π) − 1.
#include <ATen/ATen.h>

#include "algorithm/base/group/clipped_policy_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class Grpo final : public ClippedPolicyMethod {
 public:
  Grpo() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "grpo";
    info.title = "Group Relative Policy Optimization";
    info.paper = "Shao et al. 2024 (DeepSeekMath), arXiv:2402.03300, eq. 3";
    info.formula =
        "L = mean_i (1/|y_i|) Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε_high) A_i) + β k3 ]\n"
        "ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary =
        "PPO without a value model: an answer is judged against the other answers to the same prompt.";
    info.departures =
        "A is divided by std + 1e-4, as in TRL. use_bias_correction_kl, on by default as in TRL 1.16, "
        "multiplies the KL penalty by ρ, which the paper does not.";
    info.trl_names = {{"grpo", "grpo"}};
    info.stands_in_for = {{{"gspo", "gspo_token"}, "with method.importance_sampling_level=sequence"},
                          {{"ppo", "a2c", "trpo"},
                           "on groups of rewards, without a value model"}};
    info.rows = {"T12", "T13"};
    return info;
  }

 protected:
  at::Tensor normaliser(const Batch& batch) const override {
    return lengths(batch.offsets).clamp_min(1) * batch.totals.candidates;
  }
};

}  // namespace

std::unique_ptr<Method> method_grpo() { return std::make_unique<Grpo>(); }

}  // namespace attune::algorithm
