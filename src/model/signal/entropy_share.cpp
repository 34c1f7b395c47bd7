// How undecided the model is, on a scale that vocabularies share: Mallows-DPO (Chen et al. 2024, arXiv:2405.14953).
#include <ATen/ATen.h>

#include <cmath>

#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

class EntropyShare final : public Signal {
 public:
  std::string name() const override { return "entropy_share"; }
  std::string summary() const override {
    return "entropy of the distribution over that of the uniform one, -Σ p log p / log V";
  }
  bool differentiable() const override { return false; }
  at::Tensor forward(const SignalChunk& chunk) const override {
    const double most = std::log(static_cast<double>(chunk.logits.size(1)));
    return (chunk.log_normalizer - (probabilities(chunk) * chunk.logits).sum(1)) / most;
  }
};

}  // namespace

const Signal* signal_entropy_share() {
  static const EntropyShare signal;
  return &signal;
}

}  // namespace attune::model
