// Entropy-adaptive fine-tuning (Diao et al. 2026, arXiv:2601.02151): a token counts by how undecided the model is there, so that
// what it is sure of is not unlearned for data that say otherwise,
//
//   L = (1/N) Σ_i Σ_t −sg(H_20/3)^α log π(y_t),   N: tokens of the step
//
// H_20 is the entropy among the twenty most probable tokens; log 20 is about 3.
#include <ATen/ATen.h>

#include "algorithm/base/point/distribution_method.h"

namespace attune::algorithm {

namespace {

class Eaft final : public DistributionMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "eaft";
    info.title = "Entropy-Adaptive Fine-Tuning";
    info.paper = "Diao et al. 2026, arXiv:2601.02151";
    info.formula =
        "L = (1/N) Σ_i Σ_t −sg(H_20/3)^α log π(y_t),   N = tokens of the step,   H_20: entropy among the 20 likeliest tokens,   sg = no gradient";
    info.summary = "SFT that learns where the model is undecided and leaves alone what it is sure of.";
    info.learning_rate = 2e-5;
    info.stopped = {"top_entropy"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("alpha", alpha_, "α, exponent of the entropy; 0 is SFT.").alias("eaft_alpha").non_negative();
  }
  std::vector<Need> distribution_needs() const override {
    return {{"logps", Source::kPolicy, Positions::kTokens, true}, {"top_entropy", Source::kPolicy}};
  }
  at::Tensor token_loss(const Batch& batch) const override {
    constexpr double kLargestEntropy = 3;  // of twenty tokens, as the authors round it
    return -(batch.signal("top_entropy").detach() / kLargestEntropy).pow(alpha_) * batch.signal("logps");
  }

 private:
  double alpha_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_eaft() { return std::make_unique<Eaft>(); }

}  // namespace attune::algorithm
