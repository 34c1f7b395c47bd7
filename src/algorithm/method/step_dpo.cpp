// Step-DPO (Lai et al. 2024, arXiv:2406.18629): DPO on single steps of a derivation. The prompt holds the problem and the
// steps that are right, the answers are one right and one wrong step after them:
//
//   L = −E log σ(β [log π/π_ref(s₊ | x, s_<k) − log π/π_ref(s₋ | x, s_<k)])
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class StepDpo final : public PairMethod {
 public:
  StepDpo() { beta_ = 0.4; }
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "step_dpo";
    info.title = "Step-DPO";
    info.paper = "Lai et al. 2024, arXiv:2406.18629, eq. 3";
    info.formula =
        "L = −mean over pairs of log σ(β [Δ₊ − Δ₋]),   Δ = Σ_t log π/π_ref over the tokens of one step, the steps before it being prompt";
    info.summary = "DPO on the first step that goes wrong, with all that was right before it in the prompt.";
    info.departures = "It does not cut derivations into steps: the data do.";
    info.rows = {"P17"};
    return info;
  }

 protected:
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return -at::log_sigmoid(beta_ * pairs.delta());
  }
};

}  // namespace

std::unique_ptr<Method> method_step_dpo() { return std::make_unique<StepDpo>(); }

}  // namespace attune::algorithm
