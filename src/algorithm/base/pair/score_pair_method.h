// What reward models that learn from pairs share: a score head at the last token, the mean over a prompt's pairs and then
// over prompts, weights, soft labels, and metrics. A method then is its formula for one pair.
#pragma once

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

/// The scores of P pairs, float64 [P] each.
struct ScorePairs {
  const PairIndex& index;
  at::Tensor chosen, rejected;
  at::Tensor gap() const;            ///< chosen − rejected
  at::Tensor bradley_terry() const;  ///< −log σ(gap − margin), the margin of the data
};

class ScorePairMethod : public Method {
 public:
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const override { return {{"score", Source::kPolicy, Positions::kLast, true}}; }
  Scope scope() const final { return Scope::kGroup; }
  GroupShape shape() const final { return GroupShape::kPairs; }
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  /// The loss of each pair, [P].
  virtual at::Tensor pair_loss(const ScorePairs& pairs, const Batch& batch) const = 0;
  virtual void add_metrics(const ScorePairs& /*pairs*/, const Batch& /*batch*/, Metrics& /*metrics*/) const {}
};

}  // namespace attune::algorithm
