// What methods on demonstrations share: a loss per token, averaged over tokens or over sequences.
#pragma once

#include "algorithm/method.h"

namespace attune::algorithm {

/// The loss is Σ_candidates weight · Σ_t token_loss / (tokens of the step), or with `normalization: sequence`
/// Σ_candidates weight · mean_t token_loss / (candidates of the step).
class TokenLossMethod : public Method {
 public:
  core::Fields fields() final;
  std::vector<Need> needs() const final;
  Scope scope() const final { return Scope::kCandidate; }
  GroupShape shape() const final { return GroupShape::kDemonstrations; }
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  virtual void declare(core::Fields& /*fields*/) {}
  /// The loss of each token, [offsets[N]].
  virtual at::Tensor token_loss(const at::Tensor& logps) const = 0;

 private:
  std::string normalization_ = "token";
};

}  // namespace attune::algorithm
