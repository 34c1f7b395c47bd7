// Simple Preference Optimization (Meng et al. 2024, arXiv:2405.14734, eq. 6):
//
//   L = −E log σ(β s̄₊ − β s̄₋ − γ),   s̄ = mean_t log π(y_t)
#include "algorithm/base/pair/contrastive_method.h"

namespace attune::algorithm {

namespace {

class Simpo final : public ContrastiveMethod {
 public:
  Simpo() : ContrastiveMethod({.per_token = true, .gamma = 1}) { beta_ = 2; }
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "simpo";
    info.title = "Simple Preference Optimization";
    info.paper = "Meng et al. 2024, arXiv:2405.14734, eq. 6";
    info.formula = "L = −mean over pairs of log σ(β (s̄₊ − s̄₋) − γ),   s̄ = mean_t log π";
    info.summary =
        "Raises what the chosen answer has per token above the rejected one by a margin, without a reference "
        "model.";
    info.departures =
        "β and γ default to what the paper takes (2, γ/β = 0.5); TRL's defaults, and its likelihood of the "
        "chosen answers, are those of cpo_simpo.";
    info.rows = {"P07"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override { declare_margin(fields); }
};

}  // namespace

std::unique_ptr<Method> method_simpo() { return std::make_unique<Simpo>(); }

}  // namespace attune::algorithm
