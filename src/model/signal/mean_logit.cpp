// The mean of the logits over the vocabulary.
#include <ATen/ATen.h>

#include "core/error.h"
#include "model/signal.h"

namespace attune::model {
namespace {

class MeanLogit final : public Signal {
 public:
  std::string name() const override { return "mean_logit"; }
  std::string summary() const override { return "(1/V) Σ_v logits_v: a level that no probability depends on; drifting far is a sign of trouble"; }
  bool differentiable() const override { return false; }
  at::Tensor forward(const SignalChunk& chunk) const override {
    return chunk.logits.mean(1);
  }
  void backward(const SignalChunk&, const at::Tensor&, at::Tensor&) const override {
    core::assertion_failed("mean_logit has no gradient", __FILE__, __LINE__);
  }
};

}  // namespace

const Signal* signal_mean_logit() {
  static const MeanLogit signal;
  return &signal;
}

}  // namespace attune::model
