// Dynamic Fine-Tuning (Wu et al. 2025, arXiv:2508.05629, eq. 8): SFT whose token losses are weighted by the
// token's own probability p, without gradient through the weight. It undoes the 1/p that makes SFT chase
// unlikely tokens.
//
//   L = −Σ_i w_i Σ_t sg(p_t) log p_t / N
#include <ATen/ATen.h>

#include "algorithm/base/point/token_loss_method.h"

namespace attune::algorithm {

namespace {

class Dft final : public TokenLossMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "dft";
    info.title = "Dynamic Fine-Tuning";
    info.paper = "Wu et al. 2025, arXiv:2508.05629, eq. 8";
    info.formula =
        "L = −Σ_i w_i Σ_t sg(π(y_t)) log π(y_t) / N,   N = trained tokens of the step, sg = no gradient";
    info.summary = "SFT that trusts likely tokens more: each token's push is its own probability.";
    info.learning_rate = 2e-5;
    info.trl_names = {{"sft", "dft"}};
    info.stopped = {"logps"};
    return info;
  }

 protected:
  at::Tensor token_loss(const Batch& batch) const override {
    const at::Tensor& logps = batch.signal("logps");
    return -logps.detach().exp() * logps;
  }
};

}  // namespace

std::unique_ptr<Method> method_dft() { return std::make_unique<Dft>(); }

}  // namespace attune::algorithm
