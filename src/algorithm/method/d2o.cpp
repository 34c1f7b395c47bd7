// Distributional dispreference optimisation, D²O (Duan et al. 2024, arXiv:2403.03419, eq. 5): learns from what people found
// bad alone. The worst answer of a list is theirs, all others are samples of the policy, whose mean stands for the good side:
//
//   L = −E log σ(β mean_k Δ_k − α Δ_bad),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class D2o final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "d2o";
    info.title = "Distributional Dispreference Optimization";
    info.paper = "Duan et al. 2024, arXiv:2403.03419, eq. 5";
    info.formula =
        "L = −mean over prompts of log σ(β mean_k Δ_k − α Δ_bad),   Δ = Σ_t log π/π_ref,   k: all answers but the worst";
    info.summary = "Unlearns bad answers against the mean of samples of its own; no answer has to be good.";
    info.departures = "Of several worst answers the last is the bad one. One reference serves both sides.";
    info.rows = {"P23"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("alpha", alpha_, "α, how much the bad answer counts; beta with two answers is DPO.")
        .positive();
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const std::int64_t last = list.size() - 1;
    return -at::log_sigmoid(beta_ * list.ratio.slice(0, 0, last).mean() - alpha_ * list.ratio[last]);
  }

 private:
  double alpha_ = 0.1;
};

}  // namespace

std::unique_ptr<Method> method_d2o() { return std::make_unique<D2o>(); }

}  // namespace attune::algorithm
