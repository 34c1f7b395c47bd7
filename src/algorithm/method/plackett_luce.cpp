// DPO on rankings by the Plackett–Luce model (Rafailov et al. 2023, arXiv:2305.18290, eq. 20; ListMLE):
//
//   L = E Σ_k (log Σ_{i≥k} e^(s_i) − s_k),   s = β Σ_t log π/π_ref,   the list best first
//
// Two candidates are DPO.
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class PlackettLuce final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "plackett_luce";
    info.title = "DPO on rankings (Plackett–Luce)";
    info.paper = "Rafailov et al. 2023, arXiv:2305.18290, eq. 20";
    info.formula =
        "L = mean over prompts of Σ_k (log Σ_{i≥k} e^(s_i) − s_k),   s = β Σ_t log π/π_ref,   best first";
    info.summary = "Learns a whole ranking: each answer is to be chosen before all that follow it.";
    info.departures = "Of tied candidates none is asked to come before the other. The paper has no ties.";
    info.rows = {"L04"};
    return info;
  }

 protected:
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor s = beta_ * list.ratio;
    const at::Tensor rivals = list.outranks() + at::eye(list.size(), at::kDouble);
    return (s.unsqueeze(0) + rivals.log()).logsumexp(1).sub(s).sum();
  }
};

}  // namespace

std::unique_ptr<Method> method_plackett_luce() { return std::make_unique<PlackettLuce>(); }

}  // namespace attune::algorithm
