// The mean of the logits over the vocabulary.
#include <ATen/ATen.h>

#include "model/signal.h"

namespace attune::model {
namespace {

class MeanLogit final : public Signal {
 public:
  std::string name() const override { return "mean_logit"; }
  std::string summary() const override {
    return "(1/V) Σ_v logits_v: a level that no probability depends on; drifting far is a sign of trouble";
  }
  bool differentiable() const override { return false; }
  at::Tensor forward(const SignalChunk& chunk) const override { return chunk.logits.mean(1); }
};

}  // namespace

const Signal* signal_mean_logit() {
  static const MeanLogit signal;
  return &signal;
}

}  // namespace attune::model
