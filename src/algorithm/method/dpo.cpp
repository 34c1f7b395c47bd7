// Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290, eq. 7):
//
//   L = −E log σ(β [log π(y₊)/π_ref(y₊) − log π(y₋)/π_ref(y₋)])
//
// With label_smoothing ε it is conservative DPO (Mitchell 2023): −(1−ε) log σ(u) − ε log σ(−u), where TRL ≥
// 0.29 ignores the option.
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

namespace {

class Dpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "dpo";
    info.title = "Direct Preference Optimization";
    info.paper = "Rafailov et al. 2023, arXiv:2305.18290, eq. 7";
    info.formula =
        "L = −mean over pairs of log σ(u),   u = β (Σ_t log π(y₊)/π_ref(y₊) − Σ_t log π(y₋)/π_ref(y₋))\n"
        "with label_smoothing ε:  −(1−ε) log σ(u) − ε log σ(−u)";
    info.summary =
        "Raises the chosen answer over the rejected one, each measured against the reference model.";
    info.departures = "label_smoothing is conservative DPO here; TRL since 0.29 ignores it for this loss.";
    info.trl_names = {{"dpo", "sigmoid"}};
    info.stands_in_for = {
        {{"cdpo"}, "with method.label_smoothing"},
        {{"online_dpo", "xpo", "nash_md", "rlhf"}, "on pairs that generate and score made"}};
    info.rows = {"S10", "P02", "P03", "P09"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    declare_label_smoothing(fields, label_smoothing_,
                            "Fraction of pairs whose preference is assumed flipped.");
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return smoothed_logistic(beta_ * pairs.delta(), label_smoothing_);
  }

 private:
  double label_smoothing_ = 0;
};

}  // namespace

std::unique_ptr<Method> method_dpo() { return std::make_unique<Dpo>(); }

}  // namespace attune::algorithm
