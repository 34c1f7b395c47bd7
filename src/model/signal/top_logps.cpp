// How sure the model is of its own likeliest token: the auxiliary confidence of weak-to-strong generalisation (Burns et
// al. 2023, arXiv:2312.09390).
#include <ATen/ATen.h>

#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

class TopLogps final : public Signal {
 public:
  std::string name() const override { return "top_logps"; }
  std::string summary() const override { return "log-probability of the most probable token"; }
  at::Tensor forward(const SignalChunk& chunk) const override {
    return std::get<0>(chunk.logits.max(1)) - chunk.log_normalizer;
  }

  /// ∂/∂z_j = [j most probable] - p_j
  void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const override {
    const at::Tensor weight = upstream.unsqueeze(1);
    gradient.scatter_add_(1, chunk.logits.argmax(1, /*keepdim=*/true), weight.to(gradient.scalar_type()));
    gradient.addcmul_(probabilities(chunk), weight, -1);
  }
};

}  // namespace

const Signal* signal_top_logps() {
  static const TopLogps signal;
  return &signal;
}

}  // namespace attune::model
