// Anchored Preference Optimization, zero (D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 7):
//
//   L = mean over pairs of 1 − σ(βΔ₊) + σ(βΔ₋),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class ApoZero final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "apo_zero";
    info.title = "Anchored Preference Optimization, zero";
    info.paper = "D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 7";
    info.formula = "L = mean over pairs of 1 − σ(βΔ₊) + σ(βΔ₋),   Δ = Σ_t log π/π_ref";
    info.summary = "Raises the chosen and lowers the rejected answer; for data better than the model.";
    info.trl_names = {{"dpo", "apo_zero"}};
    return info;
  }

 protected:
  bool takes_divergence() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return 1 - (beta_ * pairs.chosen.ratio).sigmoid() + (beta_ * pairs.rejected.ratio).sigmoid();
  }
};

}  // namespace

std::unique_ptr<Method> method_apo_zero() { return std::make_unique<ApoZero>(); }

}  // namespace attune::algorithm
