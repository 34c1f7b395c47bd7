// Length-regularised DPO, R-DPO (Park et al. 2024, arXiv:2403.19159): the reward is r − α |y|, so that
// a longer chosen answer has part of its margin already,
//
//   L = −E log σ(β (Δ₊ − Δ₋) + α (|y₊| − |y₋|)),   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Rdpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "rdpo";
    info.title = "Length-regularised DPO";
    info.paper = "Park et al. 2024, arXiv:2403.19159";
    info.formula = "L = −mean over pairs of log σ(β (Δ₊ − Δ₋) + α (|y₊| − |y₋|)),   Δ = Σ_t log π/π_ref";
    info.summary =
        "DPO that does not learn length: tokens that the chosen answer has more of count as margin.";
    info.rows = {"P10"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("alpha", alpha_, "α, what a token of length costs; larger writes shorter, 0 is DPO.")
        .non_negative();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return -at::log_sigmoid(beta_ * pairs.delta() + alpha_ * (pairs.chosen.tokens - pairs.rejected.tokens));
  }

 private:
  double alpha_ = 0.05;
};

}  // namespace

std::unique_ptr<Method> method_rdpo() { return std::make_unique<Rdpo>(); }

}  // namespace attune::algorithm
