// Noise Contrastive Alignment (Chen et al. 2024, arXiv:2402.05369): absolute likelihoods instead of
// InfoNCA's relative ones,
//
//   L = −E Σ_i [softmax(r/α)_i log σ(s_i) + (1/K) log σ(−s_i)],   s = β Σ_t log π/π_ref,   K candidates
//
// Two candidates and α → 0 are nca_pair.
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Nca final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "nca";
    info.title = "Noise Contrastive Alignment";
    info.paper = "Chen et al. 2024, arXiv:2402.05369";
    info.formula =
        "L = −mean over prompts of Σ_i softmax(r/α)_i log σ(s_i) + (1/K) log σ(−s_i),   s = β Σ_t log "
        "π/π_ref";
    info.summary =
        "Learns from all rewards of a list how likely each answer is to be, so that good ones do not lose "
        "likelihood.";
    info.rows = {"L09"};
    return info;
  }

 protected:
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override { declare_reward_temperature(fields, alpha_); }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor s = beta_ * list.ratio;
    return -((list.merits / alpha_).softmax(0) * at::log_sigmoid(s)).sum() - at::log_sigmoid(-s).mean();
  }

 private:
  double alpha_ = 0.01;
};

}  // namespace

std::unique_ptr<Method> method_nca() { return std::make_unique<Nca>(); }

}  // namespace attune::algorithm
