// A double that uses all of a signal's seam: logits, targets and normalisers of both models, and a gradient.
//
//   s = (log p(y) − log p_ref(y))²,   ∂s/∂z = 2 (log p(y) − log p_ref(y)) (1_y − p)
#include <ATen/ATen.h>

#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

class ZzSignal final : public Signal {
 public:
  std::string name() const override { return "zz_signal"; }
  std::string summary() const override { return "squared log-ratio of the token, (log p - log p_ref)^2"; }
  bool needs_reference() const override { return true; }

  at::Tensor forward(const SignalChunk& chunk) const override { return ratio(chunk).square(); }

  void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const override {
    const at::Tensor scale = (2 * upstream * ratio(chunk)).unsqueeze(1);
    gradient.addcmul_(probabilities(chunk), scale, -1);
    gradient.scatter_add_(1, chunk.targets.unsqueeze(1), scale);
  }

 private:
  static at::Tensor chosen(const at::Tensor& logits, const at::Tensor& targets) {
    return logits.gather(1, targets.unsqueeze(1)).squeeze(1);
  }
  /// [R]
  static at::Tensor ratio(const SignalChunk& chunk) {
    return chosen(chunk.logits, chunk.targets) - chunk.log_normalizer -
           (chosen(chunk.reference_logits, chunk.targets) - chunk.reference_log_normalizer);
  }
};

}  // namespace

const Signal* signal_zz_signal() {
  static const ZzSignal signal;
  return &signal;
}

}  // namespace attune::model
