// Length-Unbiased Sequence Policy Optimization (arXiv:2602.05261): GSPO's sequence ratio, with every
// completion counted in proportion to its length.
//
//   L = mean_i |y_i| [ −min(ρ_i A_i, clip(ρ_i, 1−ε, 1+ε_high) A_i) ] + β Σ_t k3,   ρ_i =
//   (π(y_i)/π_old(y_i))^(1/|y_i|)
//
// with advantage A_i = (r_i − mean of the group) / (std + 1e-4) and k3 = π_ref/π − log(π_ref/π) − 1.
#include <ATen/ATen.h>

#include "algorithm/base/group/clipped_policy_method.h"

namespace attune::algorithm {

namespace {

class Luspo final : public ClippedPolicyMethod {
 public:
  Luspo() : ClippedPolicyMethod({.importance_sampling_level = "sequence"}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "luspo";
    info.title = "Length-Unbiased Sequence Policy Optimization";
    info.paper = "arXiv:2602.05261";
    info.formula =
        "L = mean_i ( |y_i| [ −min(ρ_i A_i, clip(ρ_i, 1−ε, 1+ε_high) A_i) ] + β Σ_t k3 )\n"
        "ρ_i = (π(y_i)/π_old(y_i))^(1/|y_i|),  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary =
        "GSPO that does not favour short answers: a completion counts in proportion to its length.";
    info.departures =
        "importance_sampling_level is sequence here, as in the paper; TRL asks for it with a warning.";
    info.trl_names = {{"grpo", "luspo"}};
    return info;
  }

 protected:
  at::Tensor normaliser(const Batch& batch) const override {
    return at::full({batch.size()}, batch.totals.candidates, at::kDouble);
  }
};

}  // namespace

std::unique_ptr<Method> method_luspo() { return std::make_unique<Luspo>(); }

}  // namespace attune::algorithm
