// Entropy of the next-token distribution.
#include <ATen/ATen.h>

#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

class Entropy final : public Signal {
 public:
  std::string name() const override { return "entropy"; }
  std::string summary() const override { return "entropy of the distribution, -Σ p log p, in nats"; }

  at::Tensor forward(const SignalChunk& chunk) const override {
    return chunk.log_normalizer - (probabilities(chunk) * chunk.logits).sum(1);
  }

  /// ∂H/∂z_j = -p_j (log p_j + H)
  void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const override {
    const at::Tensor p = probabilities(chunk);
    const at::Tensor mean_logit = (p * chunk.logits).sum(1, true);
    gradient.addcmul_(p.mul_(chunk.logits - mean_logit), upstream.unsqueeze(1), -1);
  }
};

}  // namespace

const Signal* signal_entropy() {
  static const Entropy signal;
  return &signal;
}

}  // namespace attune::model
