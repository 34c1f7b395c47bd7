// Alignment via Optimal Transport, paired (Melnyk et al. 2024, arXiv:2406.05882, section 3.2):
//
//   L = mean of −(1−ε) log σ(u) − ε log σ(−u),   u = β (sort(log π(y₊)/π(y₋)) − sort(log
//   π_ref(y₊)/π_ref(y₋))),  sorted over the step
#include <ATen/ATen.h>

#include <tuple>

#include "algorithm/base/pair/optimal_transport_method.h"

namespace attune::algorithm {

namespace {

class Aot final : public OptimalTransportMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "aot";
    info.title = "Alignment via Optimal Transport, paired";
    info.paper = "Melnyk et al. 2024, arXiv:2406.05882, section 3.2";
    info.formula =
        "L = mean of −(1−ε) log σ(u) − ε log σ(−u),   u = β (sort(log π(y₊)/π(y₋)) − sort(log "
        "π_ref(y₊)/π_ref(y₋))),  sorted over the step";
    info.summary =
        "Compares the whole distribution of chosen margins with that of the reference (or of rejected "
        "answers), quantile by quantile.";
    info.departures = kDepartures;
    info.trl_names = {{"dpo", "aot"}};
    return info;
  }

 protected:
  std::pair<at::Tensor, at::Tensor> sides(const PairTerms& pairs) const override {
    return {pairs.chosen.logps - pairs.rejected.logps, pairs.chosen.ref_logps - pairs.rejected.ref_logps};
  }
};

}  // namespace

std::unique_ptr<Method> method_aot() { return std::make_unique<Aot>(); }

}  // namespace attune::algorithm
