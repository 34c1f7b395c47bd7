// Binary classifier loss on pairs (Jung et al. 2024, arXiv:2404.04656, eq. 10, with δ = 0):
//
//   L = mean over pairs of −log σ(βΔ₊) − log σ(−βΔ₋),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class BcoPair final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "bco_pair";
    info.title = "Binary classifier loss on pairs";
    info.paper = "Jung et al. 2024, arXiv:2404.04656, eq. 10, with δ = 0";
    info.formula = "L = mean over pairs of −log σ(βΔ₊) − log σ(−βΔ₋),   Δ = Σ_t log π/π_ref";
    info.summary = "Classifies each answer of a pair as good or bad by its own log-ratio.";
    info.departures = "The running mean of rewards (δ) is left out, as in TRL since 0.29.";
    info.trl_names = {{"dpo", "bco_pair"}};
    info.rows = {"T15"};
    return info;
  }

 protected:
  bool takes_divergence() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return -at::log_sigmoid(beta_ * pairs.chosen.ratio) - at::log_sigmoid(-beta_ * pairs.rejected.ratio);
  }
};

}  // namespace

std::unique_ptr<Method> method_bco_pair() { return std::make_unique<BcoPair>(); }

}  // namespace attune::algorithm
