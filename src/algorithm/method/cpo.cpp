// Contrastive Preference Optimization (Xu et al. 2024, arXiv:2401.08417):
//
//   L = −E log σ(β (s₊ − s₋)) − α E log π(y₊),   s = Σ_t log π(y_t)
//
// the second mean being one over chosen tokens. With α = 0 it is DPO without its reference.
#include "algorithm/base/pair/contrastive_method.h"

namespace attune::algorithm {

namespace {

class Cpo final : public ContrastiveMethod {
 public:
  Cpo() : ContrastiveMethod({.cpo_alpha = 1}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cpo";
    info.title = "Contrastive Preference Optimization";
    info.paper = "Xu et al. 2024, arXiv:2401.08417";
    info.formula =
        "L = −mean over pairs of log σ(β (s₊ − s₋)) − cpo_alpha · mean over chosen tokens of log π,   s = "
        "Σ_t log π";
    info.summary = "DPO without a reference model; imitating the chosen answers takes its place.";
    info.departures =
        "TRL means over the chosen tokens of a micro-batch, this over those of the step. The likelihood is "
        "that of tokens, where the paper sums over an answer.";
    info.trl_names = {{"cpo", "sigmoid"}};
    info.rows = {"P08"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    ContrastiveMethod::declare(fields);
    declare_smoothing(fields);
  }
};

}  // namespace

std::unique_ptr<Method> method_cpo() { return std::make_unique<Cpo>(); }

}  // namespace attune::algorithm
