// DPO-Positive (Pal et al. 2024, arXiv:2402.13228, eq. 3):
//
//   L = −E log σ(β [Δ₊ − Δ₋ − λ max(0, −Δ₊)]),   Δ = Σ_t log π/π_ref
//
// With lambda_inside: false the penalty stands outside the bracket, where β does not scale it.
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Dpop final : public PairMethod {
 public:
  Dpop() { beta_ = 0.3; }
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "dpop";
    info.title = "DPO-Positive";
    info.paper = "Pal et al. 2024, arXiv:2402.13228, eq. 3";
    info.formula = "L = −mean over pairs of log σ(β [Δ₊ − Δ₋ − λ max(0, −Δ₊)]),   Δ = Σ_t log π/π_ref";
    info.summary = "DPO that does not let the chosen answer lose likelihood.";
    info.rows = {"P05"};
    return info;
  }

 protected:
  bool takes_divergence() const override { return false; }
  void declare(core::Fields& fields) override {
    fields
        .add("lambda", lambda_, "λ, weight of the penalty when the chosen answer loses likelihood; 0 is DPO.")
        .non_negative();
    fields.add("lambda_inside", lambda_inside_, "Whether β scales the penalty, too, as in the paper.");
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const at::Tensor penalty = lambda_ * (-pairs.chosen.ratio).clamp_min(0);
    const double scale = lambda_inside_ ? beta_ : 1;
    return -at::log_sigmoid(beta_ * pairs.delta() - scale * penalty);
  }

 private:
  double lambda_ = 50;
  bool lambda_inside_ = true;
};

}  // namespace

std::unique_ptr<Method> method_dpop() { return std::make_unique<Dpop>(); }

}  // namespace attune::algorithm
