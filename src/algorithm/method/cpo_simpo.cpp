// SimPO with the likelihood of the chosen answers (Xu 2024, github.com/fe1ixxu/CPO_SIMPO; TRL's CPO with
// loss_type simpo):
//
//   L = −E log σ(β s̄₊ − β s̄₋ − γ) − α E log π(y₊),   s̄ = mean_t log π(y_t)
//
// the second mean being one over chosen tokens. With α = 0 it is SimPO.
#include "algorithm/base/pair/contrastive_method.h"

namespace attune::algorithm {

namespace {

class CpoSimpo final : public ContrastiveMethod {
 public:
  CpoSimpo() : ContrastiveMethod({.per_token = true, .cpo_alpha = 1, .gamma = 0.5}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cpo_simpo";
    info.title = "SimPO with the likelihood of the chosen answers";
    info.paper = "Meng et al. 2024, arXiv:2405.14734, eq. 6; Xu et al. 2024, arXiv:2401.08417";
    info.formula =
        "L = −mean over pairs of log σ(β (s̄₊ − s̄₋) − γ) − cpo_alpha · mean over chosen tokens of log π,   s̄ "
        "= mean_t log π";
    info.summary = "SimPO that also imitates the chosen answers, which steadies it.";
    info.departures =
        "TRL means over the chosen tokens of a micro-batch, this over those of the step. Defaults are TRL's.";
    info.trl_names = {{"cpo", "simpo"}};
    info.rows = {"P08", "P09"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    declare_margin(fields);
    declare_likelihood(fields);
    declare_shape(fields);
    declare_smoothing(fields);
  }
};

}  // namespace

std::unique_ptr<Method> method_cpo_simpo() { return std::make_unique<CpoSimpo>(); }

}  // namespace attune::algorithm
