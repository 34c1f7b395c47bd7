// APO-zero for single thumbs up or down (D'Oosterlinck et al. 2024, arXiv:2408.06266, unpaired form of eq.
// 7). With Δ = Σ_t log π/π_ref of a completion:
//
//   desirable:    λ_D (1 − σ(β Δ))
//   undesirable:  λ_U σ(β Δ)
//
// averaged over all completions of the step.
#include <ATen/ATen.h>

#include "algorithm/base/point/unpaired_method.h"

namespace attune::algorithm {

namespace {

class ApoZeroUnpaired final : public UnpairedMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "apo_zero_unpaired";
    info.title = "Anchored Preference Optimization, zero, unpaired";
    info.paper = "D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 7, unpaired";
    info.formula =
        "L = mean of { λ_D (1 − σ(β Δ)) for good, λ_U σ(β Δ) for bad completions },   Δ = Σ_t log π/π_ref";
    info.summary =
        "KTO without its anchor: good completions become likelier and bad ones less likely than at the "
        "start.";
    info.trl_names = {{"kto", "apo_zero_unpaired"}};
    return info;
  }

 protected:
  double anchor(const at::Tensor& /*mismatched*/) const override { return 0; }
  at::Tensor good_loss(const at::Tensor& reward, double /*anchor*/) const override {
    return 1 - reward.sigmoid();
  }
  at::Tensor bad_loss(const at::Tensor& reward, double /*anchor*/) const override { return reward.sigmoid(); }
};

}  // namespace

std::unique_ptr<Method> method_apo_zero_unpaired() { return std::make_unique<ApoZeroUnpaired>(); }

}  // namespace attune::algorithm
