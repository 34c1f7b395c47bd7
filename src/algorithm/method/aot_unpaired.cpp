// Alignment via Optimal Transport, unpaired (Melnyk et al. 2024, arXiv:2406.05882, section 3.1):
//
//   L = mean of −(1−ε) log σ(u) − ε log σ(−u),   u = β (sort(Δ₊) − sort(Δ₋)),  Δ = Σ_t log π/π_ref,  sorted
//   over the step
#include <ATen/ATen.h>

#include <tuple>

#include "algorithm/pair_method.h"

namespace attune::algorithm {

namespace {

class AotUnpaired final : public PairMethod {
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
    info.departures =
        "Sorted over the optimiser step, where TRL sorts each micro-batch. Candidate weights are not used: a "
        "sorted term has no single pair.";
    info.trl_names = {{"dpo", "aot_unpaired"}};
    return info;
  }
  Scope scope() const override { return Scope::kStep; }

 protected:
  bool weighted() const override { return false; }
  bool takes_divergence() const override { return false; }
  void declare(core::Fields& fields) override {
    declare_label_smoothing(fields, label_smoothing_,
                            "Fraction of pairs whose preference is assumed flipped.");
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const auto sorted = [](const at::Tensor& values) { return std::get<0>(values.sort(0)); };
    const at::Tensor policy = pairs.chosen.ratio, other = pairs.rejected.ratio;
    return smoothed_logistic(beta_ * (sorted(policy) - sorted(other)), label_smoothing_);
  }

 private:
  double label_smoothing_ = 0;
};

}  // namespace

std::unique_ptr<Method> method_aot_unpaired() { return std::make_unique<AotUnpaired>(); }

}  // namespace attune::algorithm
