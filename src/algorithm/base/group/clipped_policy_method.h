// PPO's clipped surrogate on groups: what GRPO, DAPO, BNPO, Dr. GRPO and LUSPO share. They differ in the
// divisor.
#pragma once

#include <limits>

#include "algorithm/base/group/group_policy_method.h"

namespace attune::algorithm {

///   ℓ = −min(min(ρ, δ) A, clip(ρ, 1−ε, 1+ε_high) A)
class ClippedPolicyMethod : public GroupPolicyMethod {
 public:
  void check() const override;

 protected:
  explicit ClippedPolicyMethod(Defaults defaults) : GroupPolicyMethod(std::move(defaults)) {}
  void declare(core::Fields& fields) override;
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& kept,
                        Metrics& metrics) const final;

 private:
  double high() const;
  void add_clip_metrics(const PolicyRatios& ratios, const at::Tensor& ratio, const Batch& batch,
                        const at::Tensor& kept, Metrics& metrics) const;

  double epsilon_ = 0.2;
  double epsilon_high_ = std::numeric_limits<double>::quiet_NaN(),
         delta_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace attune::algorithm
