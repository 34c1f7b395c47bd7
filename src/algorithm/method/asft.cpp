// Anchored supervised fine-tuning (Zhu et al. 2025, arXiv:2509.23753): DFT, held near the start over the whole vocabulary,
//
//   L = (1/N) Σ_i Σ_t [−sg(π(y_t)) log π(y_t) + α KL(π_ref ‖ π)],   N: tokens of the step
#include <ATen/ATen.h>

#include "algorithm/base/point/distribution_method.h"

namespace attune::algorithm {

namespace {

class Asft final : public DistributionMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "asft";
    info.title = "Anchored Supervised Fine-Tuning";
    info.paper = "Zhu et al. 2025, arXiv:2509.23753";
    info.formula =
        "L = (1/N) Σ_i Σ_t [−sg(π(y_t)) log π(y_t) + α KL(π_ref ‖ π)],   N = tokens of the step,   sg = no gradient";
    info.summary = "DFT that does not drift: likely tokens are trusted more, and the reference is an anchor.";
    info.learning_rate = 2e-5;
    info.stopped = {"logps"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("alpha", alpha_, "α, weight of the anchor; 0 is DFT.").alias("asft_alpha").non_negative();
  }
  std::vector<Need> distribution_needs() const override {
    std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}};
    if (alpha_ > 0) needs.push_back({"reference_kl", Source::kPolicy, Positions::kTokens, true});
    return needs;
  }
  at::Tensor token_loss(const Batch& batch) const override {
    const at::Tensor& logps = batch.signal("logps");
    const at::Tensor loss = -logps.detach().exp() * logps;
    return alpha_ > 0 ? loss + alpha_ * batch.signal("reference_kl") : loss;
  }

 private:
  double alpha_ = 0.1;
};

}  // namespace

std::unique_ptr<Method> method_asft() { return std::make_unique<Asft>(); }

}  // namespace attune::algorithm
