// SimPER (Xiao et al. 2025, arXiv:2502.00883): inverse perplexities, and nothing to tune.
//
//   L = −E [e^(s̄₊) − e^(s̄₋)],   s̄ = mean_t log π(y_t)
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Simper final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "simper";
    info.title = "SimPER";
    info.paper = "Xiao et al. 2025, arXiv:2502.00883";
    info.formula = "L = −mean over pairs of e^(s̄₊) − e^(s̄₋),   s̄ = mean_t log π";
    info.summary =
        "Raises the inverse perplexity of chosen answers over that of rejected ones; it has no "
        "hyperparameter.";
    info.departures = "beta scales the rewards that are logged and nothing else.";
    info.rows = {"P09"};
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return pairs.rejected.per_token(pairs.rejected.logps).exp() -
           pairs.chosen.per_token(pairs.chosen.logps).exp();
  }
};

}  // namespace

std::unique_ptr<Method> method_simper() { return std::make_unique<Simper>(); }

}  // namespace attune::algorithm
