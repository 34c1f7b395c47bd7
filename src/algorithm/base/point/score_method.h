// What reward models that learn from single answers or rankings share: a score head at the last token, the mean over
// candidates, and metrics.
#pragma once

#include "algorithm/method.h"

namespace attune::algorithm {

/// L = Σ_candidates weight · losses / candidates of the step
class ScoreMethod : public Method {
 public:
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const final { return {{"score", Source::kPolicy, Positions::kLast, true}}; }
  Scope scope() const final { return Scope::kGroup; }
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  /// [N] from the scores [N].
  virtual at::Tensor losses(const at::Tensor& scores, const Batch& batch) const = 0;
};

}  // namespace attune::algorithm
