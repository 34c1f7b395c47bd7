// Hinge loss on pairs (SLiC-HF as TRL has it; Zhao et al. 2023, arXiv:2305.10425, eq. 1; Liu et al. 2023
// (RSO), arXiv:2309.06657):
//
//   L = mean over pairs of max(0, 1 − β (Δ₊ − Δ₋)),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Hinge final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "hinge";
    info.title = "Hinge loss on pairs (SLiC-HF as TRL has it)";
    info.paper = "Zhao et al. 2023, arXiv:2305.10425, eq. 1; Liu et al. 2023 (RSO), arXiv:2309.06657";
    info.formula = "L = mean over pairs of max(0, 1 − β (Δ₊ − Δ₋)),   Δ = Σ_t log π/π_ref";
    info.summary = "Pushes a pair apart until its margin is reached, then leaves it alone.";
    info.trl_names = {{"dpo", "hinge"}};
    info.stands_in_for = {{{"rso", "slic_hf"}, "of its family"}};
    info.rows = {"S11"};
    return info;
  }

 protected:
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return (1 - beta_ * pairs.delta()).relu();
  }
};

}  // namespace

std::unique_ptr<Method> method_hinge() { return std::make_unique<Hinge>(); }

}  // namespace attune::algorithm
