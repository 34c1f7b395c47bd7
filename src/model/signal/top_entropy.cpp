// Entropy among the most probable tokens: what EAFT (Diao et al. 2026, arXiv:2601.02151) weighs tokens by.
#include <ATen/ATen.h>

#include <algorithm>

#include "model/signal.h"

namespace attune::model {
namespace {

constexpr std::int64_t kTop = 20;

class TopEntropy final : public Signal {
 public:
  std::string name() const override { return "top_entropy"; }
  std::string summary() const override {
    return "entropy among the 20 most probable tokens, whose probabilities are made to sum to 1, in nats";
  }
  bool differentiable() const override { return false; }
  at::Tensor forward(const SignalChunk& chunk) const override {
    const std::int64_t count = std::min(kTop, chunk.logits.size(1));
    const at::Tensor log_p = std::get<0>(chunk.logits.topk(count, 1)).log_softmax(1);
    return -(log_p.exp() * log_p).sum(1);
  }
};

}  // namespace

const Signal* signal_top_entropy() {
  static const TopEntropy signal;
  return &signal;
}

}  // namespace attune::model
