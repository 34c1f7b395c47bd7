// Whether the chosen token is the most probable one.
#include <ATen/ATen.h>

#include "model/signal.h"

namespace attune::model {
namespace {

class ArgmaxHit final : public Signal {
 public:
  std::string name() const override { return "argmax_hit"; }
  std::string summary() const override { return "1 where the chosen token is the most probable one, else 0"; }
  bool differentiable() const override { return false; }
  at::Tensor forward(const SignalChunk& chunk) const override {
    return chunk.logits.argmax(1).eq(chunk.targets).to(chunk.logits.scalar_type());
  }
};

}  // namespace

const Signal* signal_argmax_hit() {
  static const ArgmaxHit signal;
  return &signal;
}

}  // namespace attune::model
