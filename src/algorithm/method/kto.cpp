// Kahneman–Tversky Optimization (Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7 and 8). Labels, no pairs.
// With Δ = Σ_t log π/π_ref of a completion and z₀ = max(0, mean of Δ over mismatched completions of the
// step), no gradient:
//
//   desirable:    λ_D (1 − σ(β (Δ − z₀)))
//   undesirable:  λ_U (1 − σ(β (z₀ − Δ)))
//
// averaged over all completions of the step.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/base/point/unpaired_method.h"

namespace attune::algorithm {

namespace {

class Kto final : public UnpairedMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "kto";
    info.title = "Kahneman–Tversky Optimization";
    info.paper = "Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7 and 8";
    info.formula =
        "L = mean of { λ_D (1 − σ(β (Δ − z₀))) for good, λ_U (1 − σ(β (z₀ − Δ))) for bad completions }\n"
        "Δ = Σ_t log π/π_ref,  z₀ = max(0, mean Δ over mismatched prompt–completion pairs), no gradient";
    info.summary = "Learns from single thumbs up or down, against how far the policy has moved on the whole.";
    info.departures =
        "z₀ is the mean over the whole optimiser step, not over a micro-batch, so it does not depend on "
        "how the step is split, and a step of one record works (its z₀ is then 0).";
    info.trl_names = {{"kto", "kto"}};
    info.stands_in_for = {
        {{"kto_pair"}, "on pairs, a good and a bad answer of each: method=kto without loss_type"}};
    info.rows = {"T14"};
    return info;
  }
  Derived derived() const override { return Derived::kMismatched; }

 protected:
  double anchor(const at::Tensor& mismatched) const override {
    return mismatched.numel() == 0 ? 0 : std::max(0.0, mismatched.mean().item<double>());
  }
  at::Tensor good_loss(const at::Tensor& reward, double anchor) const override {
    return 1 - (reward - anchor).sigmoid();
  }
  at::Tensor bad_loss(const at::Tensor& reward, double anchor) const override {
    return 1 - (anchor - reward).sigmoid();
  }
};

}  // namespace

std::unique_ptr<Method> method_kto() { return std::make_unique<Kto>(); }

}  // namespace attune::algorithm
