// Contrastive preferences by a regression (TRL's CPO with loss_type ipo; the square of Azar et al. 2023,
// arXiv:2310.12036, in Xu et al. 2024, arXiv:2401.08417):
//
//   L = E (s̄₊ − s̄₋ − 1/(2β))² − α E log π(y₊),   s̄ = mean_t log π(y_t)
//
// the second mean being one over chosen tokens.
#include <ATen/ATen.h>

#include "algorithm/base/pair/contrastive_method.h"

namespace attune::algorithm {

namespace {

class CpoIpo final : public ContrastiveMethod {
 public:
  CpoIpo() : ContrastiveMethod({.per_token = true, .cpo_alpha = 1}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cpo_ipo";
    info.title = "Contrastive preferences by a regression";
    info.paper = "Xu et al. 2024, arXiv:2401.08417; Azar et al. 2023, arXiv:2310.12036";
    info.formula =
        "L = mean over pairs of (s̄₊ − s̄₋ − 1/(2β))² − cpo_alpha · mean over chosen tokens of log π,   s̄ = "
        "mean_t log π";
    info.summary =
        "Regresses the gap per token to a fixed margin, without a reference, and imitates the chosen "
        "answers.";
    info.departures = "TRL means over the chosen tokens of a micro-batch, this over those of the step.";
    info.trl_names = {{"cpo", "ipo"}};
    info.rows = {"P08"};
    return info;
  }

 protected:
  at::Tensor margin_loss(const at::Tensor& difference) const override {
    return (difference - 1 / (2 * beta_)).square();
  }
};

}  // namespace

std::unique_ptr<Method> method_cpo_ipo() { return std::make_unique<CpoIpo>(); }

}  // namespace attune::algorithm
