// Self-Play Preference Optimization, hard labels (Wu et al. 2024, arXiv:2405.00675, eq. 4.7):
//
//   L = mean over pairs of (Δ₊ − 1/(2β))² + (Δ₋ + 1/(2β))²,   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class SppoHard final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "sppo_hard";
    info.title = "Self-Play Preference Optimization, hard labels";
    info.paper = "Wu et al. 2024, arXiv:2405.00675, eq. 4.7";
    info.formula = "L = mean over pairs of (Δ₊ − 1/(2β))² + (Δ₋ + 1/(2β))²,   Δ = Σ_t log π/π_ref";
    info.summary = "Regresses the log-ratio of each answer to its win rate, taken as 1 and 0.";
    info.trl_names = {{"dpo", "sppo_hard"}};
    info.rows = {"P21"};
    return info;
  }

 protected:
  bool takes_divergence() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return (pairs.chosen.ratio - 0.5 / beta_).square() + (pairs.rejected.ratio + 0.5 / beta_).square();
  }
};

}  // namespace

std::unique_ptr<Method> method_sppo_hard() { return std::make_unique<SppoHard>(); }

}  // namespace attune::algorithm
