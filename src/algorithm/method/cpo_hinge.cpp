// Contrastive preferences by a hinge (TRL's CPO with loss_type hinge; the hinge of Zhao et al. 2023,
// arXiv:2305.10425, in Xu et al. 2024, arXiv:2401.08417):
//
//   L = E max(0, 1 − β (s₊ − s₋)) − α E log π(y₊),   s = Σ_t log π(y_t)
//
// the second mean being one over chosen tokens.
#include <ATen/ATen.h>

#include "algorithm/base/pair/contrastive_method.h"

namespace attune::algorithm {

namespace {

class CpoHinge final : public ContrastiveMethod {
 public:
  CpoHinge() : ContrastiveMethod({.cpo_alpha = 1}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cpo_hinge";
    info.title = "Contrastive preferences by a hinge";
    info.paper = "Xu et al. 2024, arXiv:2401.08417; Zhao et al. 2023, arXiv:2305.10425";
    info.formula =
        "L = mean over pairs of max(0, 1 − β (s₊ − s₋)) − cpo_alpha · mean over chosen tokens of log π,   s "
        "= Σ_t log π";
    info.summary =
        "Pushes a pair apart until its margin is reached, without a reference, and imitates the chosen "
        "answers.";
    info.departures = "TRL means over the chosen tokens of a micro-batch, this over those of the step.";
    info.trl_names = {{"cpo", "hinge"}};
    info.rows = {"P08"};
    return info;
  }

 protected:
  at::Tensor margin_loss(const at::Tensor& difference) const override {
    return (1 - beta_ * difference).relu();
  }
};

}  // namespace

std::unique_ptr<Method> method_cpo_hinge() { return std::make_unique<CpoHinge>(); }

}  // namespace attune::algorithm
