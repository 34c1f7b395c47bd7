// Identity Preference Optimization (Azar et al. 2023, arXiv:2310.12036, eq. 17):
//
//   L = mean over pairs of (Δ₊/|y₊| − Δ₋/|y₋| − 1/(2β))²,   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Ipo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "ipo";
    info.title = "Identity Preference Optimization";
    info.paper = "Azar et al. 2023, arXiv:2310.12036, eq. 17";
    info.formula = "L = mean over pairs of (Δ₊/|y₊| − Δ₋/|y₋| − 1/(2β))²,   Δ = Σ_t log π/π_ref";
    info.summary =
        "Regresses the difference of log-ratios to a fixed margin instead of pushing it without end.";
    info.departures =
        "Log-ratios are averaged over tokens, which the authors confirmed to TRL; the paper writes sums.";
    info.trl_names = {{"dpo", "ipo"}};
    info.rows = {"P01"};
    return info;
  }

 protected:
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const auto mean = [](const PairTerms::Side& side) { return side.per_token(side.score); };
    return (mean(pairs.chosen) - mean(pairs.rejected) - 1 / (2 * beta_)).square();
  }
};

}  // namespace

std::unique_ptr<Method> method_ipo() { return std::make_unique<Ipo>(); }

}  // namespace attune::algorithm
