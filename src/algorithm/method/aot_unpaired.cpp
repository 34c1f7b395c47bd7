// Alignment via Optimal Transport, unpaired (Melnyk et al. 2024, arXiv:2406.05882, section 3.1):
//
//   L = mean of −(1−ε) log σ(u) − ε log σ(−u),   u = β (sort(Δ₊) − sort(Δ₋)),  Δ = Σ_t log π/π_ref,  sorted
//   over the step
#include <ATen/ATen.h>

#include <tuple>

#include "algorithm/base/pair/optimal_transport_method.h"

namespace attune::algorithm {

namespace {

class AotUnpaired final : public OptimalTransportMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "aot_unpaired";
    info.title = "Alignment via Optimal Transport, unpaired";
    info.paper = "Melnyk et al. 2024, arXiv:2406.05882, section 3.1";
    info.formula =
        "L = mean of −(1−ε) log σ(u) − ε log σ(−u),   u = β (sort(Δ₊) − sort(Δ₋)),  Δ = Σ_t log π/π_ref,  "
        "sorted over the step";
    info.summary =
        "Compares the whole distribution of chosen margins with that of the reference (or of rejected "
        "answers), quantile by quantile.";
    info.departures = kDepartures;
    info.trl_names = {{"dpo", "aot_unpaired"}};
    return info;
  }

 protected:
  std::pair<at::Tensor, at::Tensor> sides(const PairTerms& pairs) const override {
    return {pairs.chosen.ratio, pairs.rejected.ratio};
  }
};

}  // namespace

std::unique_ptr<Method> method_aot_unpaired() { return std::make_unique<AotUnpaired>(); }

}  // namespace attune::algorithm
