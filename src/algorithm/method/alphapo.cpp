// AlphaPO (Gupta et al. 2025, arXiv:2501.03884): SimPO whose reward has a shape α,
//
//   L = −E log σ(β (r(y₊) − r(y₋)) − γ),   r(y) = (1 − e^(−α s̄)) / α,   s̄ = mean_t log π(y_t)
//
// α → 0 is SimPO.
#include <ATen/ATen.h>

#include "algorithm/base/contrastive_method.h"

namespace attune::algorithm {

namespace {

class Alphapo final : public ContrastiveMethod {
 public:
  Alphapo() : ContrastiveMethod({.per_token = true, .alpha = 0.25}) { beta_ = 2; }
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "alphapo";
    info.title = "AlphaPO";
    info.paper = "Gupta et al. 2025, arXiv:2501.03884";
    info.formula =
        "L = −mean over pairs of log σ(β (r(y₊) − r(y₋)) − γ),   r(y) = (1 − e^(−α s̄)) / α,   s̄ = mean_t log "
        "π";
    info.summary = "SimPO whose reward bends: a positive α pushes unlikely answers harder.";
    info.departures =
        "The exponent −α s̄ is bounded by 80, so that very unlikely answers stay finite. α defaults to 0.25, "
        "β and γ to SimPO's; TRL's α is 0 unless it is given.";
    info.trl_names = {{"cpo", "alphapo"}};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("gamma", gamma_, "γ, the margin that a pair is to reach.").non_negative().alias("simpo_gamma");
    declare_shape(fields);
    declare_label_smoothing(fields, label_smoothing_,
                            "Fraction of pairs whose preference is assumed flipped.");
  }
  at::Tensor margin_loss(const at::Tensor& difference) const override {
    return smoothed_logistic(beta_ * difference - gamma_, label_smoothing_);
  }

 private:
  double gamma_ = 1, label_smoothing_ = 0;
};

}  // namespace

std::unique_ptr<Method> method_alphapo() { return std::make_unique<Alphapo>(); }

}  // namespace attune::algorithm
