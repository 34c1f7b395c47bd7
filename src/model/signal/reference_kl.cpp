// Forward KL of the whole distribution: what token-level DPO (Zeng et al. 2024, arXiv:2404.11999) sums over a
// sequence.
#include <ATen/ATen.h>

#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

class ReferenceKl final : public Signal {
 public:
  std::string name() const override { return "reference_kl"; }
  std::string summary() const override {
    return "KL(reference ‖ policy) at the position, Σ p_ref (log p_ref - log p)";
  }
  bool needs_reference() const override { return true; }

  at::Tensor forward(const SignalChunk& chunk) const override {
    const at::Tensor p = reference_probabilities(chunk);
    return (p * (chunk.reference_logits - chunk.logits)).sum(1) + chunk.log_normalizer -
           chunk.reference_log_normalizer;
  }

  /// ∂/∂z = p - p_ref
  void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const override {
    gradient.addcmul_(probabilities(chunk).sub_(reference_probabilities(chunk)), upstream.unsqueeze(1));
  }
};

}  // namespace

const Signal* signal_reference_kl() {
  static const ReferenceKl signal;
  return &signal;
}

}  // namespace attune::model
