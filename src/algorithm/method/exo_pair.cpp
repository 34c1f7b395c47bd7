// Efficient Exact Optimization on pairs (Ji et al. 2024, arXiv:2402.00856, eq. 16):
//
//   L = mean over pairs of q log(q/(1−ε)) + (1−q) log((1−q)/ε),   q = σ(β (Δ₊ − Δ₋))
#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/base/pair/pair_method.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class ExoPair final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "exo_pair";
    info.title = "Efficient Exact Optimization on pairs";
    info.paper = "Ji et al. 2024, arXiv:2402.00856, eq. 16";
    info.formula = "L = mean over pairs of q log(q/(1−ε)) + (1−q) log((1−q)/ε),   q = σ(β (Δ₊ − Δ₋))";
    info.summary = "Fits the pair by the reverse KL divergence to the preferences, smoothed by ε.";
    info.departures =
        "label_smoothing must be positive; it defaults to 1e-3, which TRL set by itself up to 0.28 and now "
        "asks for.";
    info.trl_names = {{"dpo", "exo_pair"}};
    info.rows = {"P04"};
    return info;
  }
  void check() const override {
    PairMethod::check();
    if (label_smoothing_ <= 0)
      core::fail_request("method.label_smoothing: exo_pair needs more than 0, e.g. 0.001");
  }

 protected:
  void declare(core::Fields& fields) override {
    declare_label_smoothing(fields, label_smoothing_, "ε, how soft the preferences are.");
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const at::Tensor u = beta_ * pairs.delta();
    return u.sigmoid() * (at::log_sigmoid(u) - std::log1p(-label_smoothing_)) +
           (-u).sigmoid() * (at::log_sigmoid(-u) - std::log(label_smoothing_));
  }

 private:
  double label_smoothing_ = 0.001;
};

}  // namespace

std::unique_ptr<Method> method_exo_pair() { return std::make_unique<ExoPair>(); }

}  // namespace attune::algorithm
