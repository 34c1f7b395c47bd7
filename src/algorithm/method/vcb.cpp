// Value-calibrated list (Mao et al. 2024, arXiv:2402.16030): differences of log-ratios regress to those of
// rewards,
//
//   L = E mean_{i<j} [(Δ_i − Δ_j) − (r_i − r_j)/λ]²,   Δ = Σ_t log π/π_ref
//
// Its optimum is π_ref e^(r/λ) up to normalisation.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Vcb final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "vcb";
    info.title = "Value-calibrated lists";
    info.paper = "Mao et al. 2024, arXiv:2402.16030";
    info.formula =
        "L = mean over prompts of the mean over pairs of [(Δ_i − Δ_j) − (r_i − r_j)/λ]²,   Δ = Σ_t log "
        "π/π_ref";
    info.summary = "Fits how much better each answer is, not only that it is, and stops there.";
    info.departures =
        "Rewards are taken as they are, where the paper divides them by their deviation; pairs are averaged, "
        "so that long lists do not count for more.";
    info.rows = {"L06"};
    return info;
  }

 protected:
  bool uses_beta() const override { return false; }
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override {
    fields.add("lambda", lambda_, "λ, weight of staying close to the reference in the optimum.").positive();
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor residual = list.ratio - list.merits / lambda_;
    const auto n = static_cast<double>(list.size());
    const at::Tensor squares = (residual.unsqueeze(1) - residual.unsqueeze(0)).square().sum();
    return squares / std::max(n * (n - 1), 1.0);  // each pair stands in it twice
  }
  at::Tensor implicit_rewards(const ListTerms& list) const override { return lambda_ * list.ratio; }

 private:
  double lambda_ = 0.1;
};

}  // namespace

std::unique_ptr<Method> method_vcb() { return std::make_unique<Vcb>(); }

}  // namespace attune::algorithm
