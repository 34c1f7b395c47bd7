// The per-token term of WPO (Zhou et al. 2024, arXiv:2406.11827): log p_y - log Σ p².
#include <ATen/ATen.h>

#include "model/signal.h"

namespace attune::model {
namespace {

class WpoWeight final : public Signal {
 public:
  std::string name() const override { return "wpo_weight"; }
  std::string summary() const override {
    return "log p_y - log Σ p²: how typical the token is; exp of its mean over a completion is WPO's weight";
  }
  bool differentiable() const override { return false; }
  at::Tensor forward(const SignalChunk& chunk) const override {
    const at::Tensor chosen =
        chunk.logits.gather(1, chunk.targets.unsqueeze(1)).squeeze(1) - chunk.log_normalizer;
    return chosen - (at::logsumexp(chunk.logits * 2, {1}) - chunk.log_normalizer * 2);
  }
};

}  // namespace

const Signal* signal_wpo_weight() {
  static const WpoWeight signal;
  return &signal;
}

}  // namespace attune::model
