// Discovered Preference Optimization (Lu et al. 2024, arXiv:2406.08414, eq. 5):
//
//   L = mean over pairs of (1−μ) (−log σ(u)) + μ exp(−u),   u = β (Δ₊ − Δ₋),  μ = σ(u/τ)
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Discopop final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "discopop";
    info.title = "Discovered Preference Optimization";
    info.paper = "Lu et al. 2024, arXiv:2406.08414, eq. 5";
    info.formula = "L = mean over pairs of (1−μ) (−log σ(u)) + μ exp(−u),   u = β (Δ₊ − Δ₋),  μ = σ(u/τ)";
    info.summary = "A blend of the logistic and the exponential loss that a language model found.";
    info.trl_names = {{"dpo", "discopop"}};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("discopop_tau", tau_, "τ, how sharply the blend switches.").positive();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    const at::Tensor u = beta_ * pairs.delta(), mix = (u / tau_).sigmoid();
    return -at::log_sigmoid(u) * (1 - mix) + (-u).exp() * mix;
  }

 private:
  double tau_ = 0.05;
};

}  // namespace

std::unique_ptr<Method> method_discopop() { return std::make_unique<Discopop>(); }

}  // namespace attune::algorithm
