// AlphaPO (Gupta et al. 2025, arXiv:2501.03884): SimPO whose reward has a shape α,
//
//   L = −E log σ(β (r(y₊) − r(y₋)) − γ),   r(y) = (1 − e^(−α s̄)) / α,   s̄ = mean_t log π(y_t)
//
// α → 0 is SimPO.
#include "algorithm/base/pair/contrastive_method.h"

namespace attune::algorithm {

namespace {

class Alphapo final : public ContrastiveMethod {
 public:
  Alphapo() : ContrastiveMethod({.per_token = true, .alpha = 0.25, .gamma = 1}) { beta_ = 2; }
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
    declare_margin(fields);
    declare_shape(fields);
    declare_smoothing(fields);
  }
};

}  // namespace

std::unique_ptr<Method> method_alphapo() { return std::make_unique<Alphapo>(); }

}  // namespace attune::algorithm
