// Efficient Exact Optimization on lists (Ji et al. 2024, arXiv:2402.00856): the reverse KL divergence from what the
// policy makes of a list to what the rewards make of it,
//
//   L = E Σ_i q_i log (q_i / p_i),   q = softmax(s),   p = softmax(r/α),   s = β Σ_t log π/π_ref
//
// Two candidates with r₊ − r₋ = α log((1−ε)/ε) are exo_pair.
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Exo final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "exo";
    info.title = "Efficient Exact Optimization on lists";
    info.paper = "Ji et al. 2024, arXiv:2402.00856";
    info.formula =
        "L = mean over prompts of Σ_i q_i log(q_i / p_i),   q = softmax(s),   p = softmax(r/α),   s = β Σ_t "
        "log π/π_ref";
    info.summary =
        "Fits the policy over a rated list to the rewards by the divergence that seeks the best answers.";
    info.departures = "α is 1, so that rewards are logarithms of odds; the paper's is tuned.";
    info.rows = {"P04"};
    return info;
  }

 protected:
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override { declare_reward_temperature(fields, alpha_); }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor q = (beta_ * list.ratio).log_softmax(0), p = (list.merits / alpha_).log_softmax(0);
    return (q.exp() * (q - p)).sum();
  }

 private:
  double alpha_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_exo() { return std::make_unique<Exo>(); }

}  // namespace attune::algorithm
