// Weak-to-strong generalisation (Burns et al. 2023, arXiv:2312.09390, eq. 1): a strong model learns the labels of a weak one and
// is trusted where it is sure of something else,
//
//   L = (1/N) Σ_i Σ_t [−(1 − α) log π(y_t) − α log π(ŷ_t)],   ŷ_t: its own likeliest token,  N: tokens of the step
#include <ATen/ATen.h>

#include "algorithm/base/point/distribution_method.h"

namespace attune::algorithm {

namespace {

class WeakToStrong final : public DistributionMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "weak_to_strong";
    info.title = "Weak-to-strong with auxiliary confidence";
    info.paper = "Burns et al. 2023, arXiv:2312.09390, eq. 1";
    info.formula =
        "L = (1/N) Σ_i Σ_t [−(1 − α) log π(y_t) − α log π(ŷ_t)],   ŷ_t = argmax π,   N = tokens of the step";
    info.summary = "SFT on labels of a weaker model that lets the stronger one keep to its own opinion.";
    info.departures =
        "The threshold that balances classes of a classifier has no counterpart among tokens; α does not warm up.";
    info.learning_rate = 1e-5;
    info.rows = {"T27"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("alpha", alpha_, "α, trust in the model's own likeliest tokens; 0 is SFT.").range(0, 1);
  }
  std::vector<Need> distribution_needs() const override {
    return {{"logps", Source::kPolicy, Positions::kTokens, true},
            {"top_logps", Source::kPolicy, Positions::kTokens, true}};
  }
  at::Tensor token_loss(const Batch& batch) const override {
    return -(1 - alpha_) * batch.signal("logps") - alpha_ * batch.signal("top_logps");
  }

 private:
  double alpha_ = 0.5;
};

}  // namespace

std::unique_ptr<Method> method_weak_to_strong() { return std::make_unique<WeakToStrong>(); }

}  // namespace attune::algorithm
