// The reward head: a linear function of the hidden state. It looks at no logits; read_signals computes it.
#include <ATen/ATen.h>

#include "core/error.h"
#include "model/signal.h"

namespace attune::model {
namespace {

class Score final : public Signal {
 public:
  std::string name() const override { return "score"; }
  std::string summary() const override { return "reward head w · h at the position"; }
  SignalKind kind() const override { return SignalKind::kHead; }
  at::Tensor forward(const SignalChunk&) const override {
    core::assertion_failed("score reads hidden states, not logits", __FILE__, __LINE__);
  }
  void backward(const SignalChunk&, const at::Tensor&, at::Tensor&) const override {
    core::assertion_failed("score reads hidden states, not logits", __FILE__, __LINE__);
  }
};

}  // namespace

const Signal* signal_score() {
  static const Score signal;
  return &signal;
}

}  // namespace attune::model
