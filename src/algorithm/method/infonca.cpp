// InfoNCA (Chen et al. 2024, arXiv:2402.05369): the softmax of implicit rewards fits that of the
// given ones,
//
//   L = −E Σ_i softmax(r/α)_i log softmax(s)_i,   s = β Σ_t log π/π_ref
//
// Two candidates and α → 0 are DPO.
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Infonca final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "infonca";
    info.title = "Information Noise Contrastive Alignment";
    info.paper = "Chen et al. 2024, arXiv:2402.05369";
    info.formula = "L = −mean over prompts of Σ_i softmax(r/α)_i log softmax(s)_i,   s = β Σ_t log π/π_ref";
    info.summary =
        "Classifies which answer of a rated list is the good one, with soft labels from all rewards.";
    info.rows = {"L09"};
    return info;
  }

 protected:
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override { declare_reward_temperature(fields, alpha_); }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    return -((list.merits / alpha_).softmax(0) * (beta_ * list.ratio).log_softmax(0)).sum();
  }

 private:
  double alpha_ = 0.01;
};

}  // namespace

std::unique_ptr<Method> method_infonca() { return std::make_unique<Infonca>(); }

}  // namespace attune::algorithm
