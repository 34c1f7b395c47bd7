// Robust DPO (Chowdhury et al. 2024, arXiv:2403.00409, eq. 7):
//
//   L = mean over pairs of [−(1−ε) log σ(u) + ε log σ(−u)] / (1 − 2ε),   u = β (Δ₊ − Δ₋)
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class Robust final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "robust";
    info.title = "Robust DPO";
    info.paper = "Chowdhury et al. 2024, arXiv:2403.00409, eq. 7";
    info.formula = "L = mean over pairs of [−(1−ε) log σ(u) + ε log σ(−u)] / (1 − 2ε),   u = β (Δ₊ − Δ₋)";
    info.summary = "DPO made unbiased against a known fraction ε of flipped preferences.";
    info.trl_names = {{"dpo", "robust"}};
    info.rows = {"P02"};
    return info;
  }
  void check() const override {
    PairMethod::check();
    if (label_smoothing_ >= 0.5) {
      core::fail_request("method.label_smoothing: {} must be below 0.5: at one half preferences say nothing",
                         label_smoothing_);
    }
  }

 protected:
  void declare(core::Fields& fields) override {
    declare_label_smoothing(fields, label_smoothing_,
                            "ε, fraction of pairs whose preference is flipped; below 0.5.");
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const at::Tensor u = beta_ * pairs.delta();
    const double e = label_smoothing_;
    return (-(1 - e) * at::log_sigmoid(u) + e * at::log_sigmoid(-u)) / (1 - 2 * e);
  }

 private:
  double label_smoothing_ = 0;
};

}  // namespace

std::unique_ptr<Method> method_robust() { return std::make_unique<Robust>(); }

}  // namespace attune::algorithm
