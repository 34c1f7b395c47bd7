// Learning from single thumbs up or down: what KTO and APO-zero's unpaired form share.
#pragma once

#include "algorithm/method.h"

namespace attune::algorithm {

/// With Δ = Σ_t log π/π_ref of a completion:
///   L = mean over completions of { λ_D good_loss(Δ) for desirable, λ_U bad_loss(Δ) for undesirable ones }
class UnpairedMethod : public Method {
 public:
  core::Fields fields() final;
  std::vector<Need> needs() const final;
  Scope scope() const final { return Scope::kStep; }
  GroupShape shape() const final { return GroupShape::kLabels; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kLabels}; }
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  /// What Δ is compared with: a number of the step, from Δ over its mismatched completions ([0] where there
  /// are none).
  virtual double anchor(const at::Tensor& mismatched) const = 0;
  /// [n]: losses of desirable and of undesirable completions, from β Δ and β times the anchor.
  virtual at::Tensor good_loss(const at::Tensor& reward, double anchor) const = 0;
  virtual at::Tensor bad_loss(const at::Tensor& reward, double anchor) const = 0;

 private:
  double beta_ = 0.1, desirable_weight_ = 1, undesirable_weight_ = 1;
};

}  // namespace attune::algorithm
