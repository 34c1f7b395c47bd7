// Noise Contrastive Alignment on pairs (Chen et al. 2024, arXiv:2402.05369, eq. 14):
//
//   L = mean over pairs of −log σ(βΔ₊) − ½ log σ(−βΔ₊) − ½ log σ(−βΔ₋),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class NcaPair final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "nca_pair";
    info.title = "Noise Contrastive Alignment on pairs";
    info.paper = "Chen et al. 2024, arXiv:2402.05369, eq. 14";
    info.formula =
        "L = mean over pairs of −log σ(βΔ₊) − ½ log σ(−βΔ₊) − ½ log σ(−βΔ₋),   Δ = Σ_t log π/π_ref";
    info.summary =
        "Fits absolute likelihoods, so that the chosen answer does not lose likelihood while the margin "
        "grows.";
    info.trl_names = {{"dpo", "nca_pair"}};
    info.rows = {"L09"};
    return info;
  }

 protected:
  bool takes_divergence() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const at::Tensor chosen = beta_ * pairs.chosen.ratio, rejected = beta_ * pairs.rejected.ratio;
    return -at::log_sigmoid(chosen) - 0.5 * at::log_sigmoid(-chosen) - 0.5 * at::log_sigmoid(-rejected);
  }
};

}  // namespace

std::unique_ptr<Method> method_nca_pair() { return std::make_unique<NcaPair>(); }

}  // namespace attune::algorithm
