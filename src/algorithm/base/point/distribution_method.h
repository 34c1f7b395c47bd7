// What methods on demonstrations share: a loss per token from any of the policy's signals, averaged over the tokens of
// the step.
#pragma once

#include "algorithm/method.h"

namespace attune::algorithm {

/// L = Σ_candidates weight · Σ_t token_loss / tokens of the step
class DistributionMethod : public Method {
 public:
  core::Fields fields() final;
  std::vector<Need> needs() const final;
  Scope scope() const final { return Scope::kCandidate; }
  GroupShape shape() const final { return GroupShape::kDemonstrations; }
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  virtual void declare(core::Fields& /*fields*/) {}
  /// What token_loss reads.
  virtual std::vector<Need> distribution_needs() const = 0;
  /// The loss of each token, [offsets[N]].
  virtual at::Tensor token_loss(const Batch& batch) const = 0;
  /// The loss of all of them.
  virtual at::Tensor reduced(const at::Tensor& token_losses, const Batch& batch) const;
};

}  // namespace attune::algorithm
