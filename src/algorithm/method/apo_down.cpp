// Anchored Preference Optimization, down (D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 8):
//
//   L = mean over pairs of σ(βΔ₊) + 1 − σ(β (Δ₊ − Δ₋)),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class ApoDown final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "apo_down";
    info.title = "Anchored Preference Optimization, down";
    info.paper = "D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 8";
    info.formula = "L = mean over pairs of σ(βΔ₊) + 1 − σ(β (Δ₊ − Δ₋)),   Δ = Σ_t log π/π_ref";
    info.summary = "Lowers both answers, the rejected one more; for data worse than the model.";
    info.trl_names = {{"dpo", "apo_down"}};
    return info;
  }

 protected:
  bool takes_divergence() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const at::Tensor margin = pairs.chosen.ratio - pairs.rejected.ratio;
    return (beta_ * pairs.chosen.ratio).sigmoid() + 1 - (beta_ * margin).sigmoid();
  }
};

}  // namespace

std::unique_ptr<Method> method_apo_down() { return std::make_unique<ApoDown>(); }

}  // namespace attune::algorithm
