// Log-probability of the token that was chosen: z_y - log Σ exp z.
#include <ATen/ATen.h>

#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

class Logps final : public Signal {
 public:
  std::string name() const override { return "logps"; }
  std::string summary() const override { return "log-probability of the chosen token, z_y - logsumexp(z)"; }

  at::Tensor forward(const SignalChunk& chunk) const override {
    return chunk.logits.gather(1, chunk.targets.unsqueeze(1)).squeeze(1) - chunk.log_normalizer;
  }

  /// ∂/∂z = onehot(y) - softmax(z)
  void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const override {
    gradient.addcmul_(probabilities(chunk), upstream.unsqueeze(1), -1);
    gradient.scatter_add_(1, chunk.targets.unsqueeze(1), upstream.unsqueeze(1));
  }
};

}  // namespace

const Signal* signal_logps() {
  static const Logps signal;
  return &signal;
}

}  // namespace attune::model
