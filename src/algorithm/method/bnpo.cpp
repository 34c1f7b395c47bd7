// BNPO, as TRL calls the token mean over a batch: L = (1/Σ_i |y_i|) Σ_i Σ_t ℓ with the token loss ℓ of GRPO.
//
//   ℓ = −min(ρ A_i, clip(ρ, 1−ε, 1+ε_high) A_i) + β k3,   ρ = π(y_t)/π_old(y_t)
//
// with advantage A_i = (r_i − mean of the group) / (std + 1e-4) and k3 = π_ref/π − log(π_ref/π) − 1.
#include <ATen/ATen.h>

#include "algorithm/base/group/clipped_policy_method.h"

namespace attune::algorithm {

namespace {

class Bnpo final : public ClippedPolicyMethod {
 public:
  Bnpo() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "bnpo";
    info.title = "Batch-normalised policy optimization";
    info.paper = "TRL's loss_type bnpo; the token mean of Xiao et al. 2025, arXiv:2506.02864";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε_high) A_i) + β k3 ]\n"
        "ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary =
        "The token mean over the batch; the batch being the whole step, it is dapo by TRL's older name.";
    info.departures =
        "TRL divides by the tokens of a micro-batch and averages micro-batches; here the batch is the "
        "optimiser step, so the split does not matter and the number is that of TRL with one micro-batch.";
    info.trl_names = {{"grpo", "bnpo"}};
    return info;
  }

 protected:
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }
};

}  // namespace

std::unique_ptr<Method> method_bnpo() { return std::make_unique<Bnpo>(); }

}  // namespace attune::algorithm
