// Length-normalised DPO (Lambert et al. 2024 (Tülu 3), arXiv:2411.15124, section 5.1):
//
//   L = −mean over pairs of log σ(β (Δ₊/|y₊| − Δ₋/|y₋|)),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class SigmoidNorm final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "sigmoid_norm";
    info.title = "Length-normalised DPO";
    info.paper = "Lambert et al. 2024 (Tülu 3), arXiv:2411.15124, section 5.1";
    info.formula = "L = −mean over pairs of log σ(β (Δ₊/|y₊| − Δ₋/|y₋|)),   Δ = Σ_t log π/π_ref";
    info.summary = "DPO on log-ratios per token, so that length alone earns nothing.";
    info.trl_names = {{"dpo", "sigmoid_norm"}};
    info.rows = {"P09"};
    return info;
  }

 protected:
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const auto mean = [](const PairTerms::Side& side) { return side.per_token(side.score); };
    return -at::log_sigmoid(beta_ * (mean(pairs.chosen) - mean(pairs.rejected)));
  }
};

}  // namespace

std::unique_ptr<Method> method_sigmoid_norm() { return std::make_unique<SigmoidNorm>(); }

}  // namespace attune::algorithm
