// The clipped policy gradient on groups of sampled completions with rewards: GRPO and its relatives. They
// differ in what a token's loss is divided by; the rest is here.
#pragma once

#include <limits>

#include "algorithm/method.h"

namespace attune::algorithm {

/// Per token, with ratio ρ = π/π_old, advantage A and reference π_ref:
///   ℓ = −min(min(ρ, δ) A, clip(ρ, 1−ε, 1+ε_high) A) + β k3(π_ref/π) [· ρ with use_bias_correction_kl]
/// L = Σ_i weight_i Σ_t ℓ / normaliser(i)
class GroupPolicyMethod : public Method {
 public:
  core::Fields fields() final;
  void check() const final;
  std::vector<Need> needs() const final;
  Scope scope() const final { return Scope::kCandidate; }
  Feedback feedback() const final { return Feedback::kGroups; }
  /// Fixes "advantages" [N] and "kept_tokens" [N] (tokens of the step that enter the loss, the same in every
  /// entry).
  void prepare(Batch& step, State& state, Metrics& metrics) const final;
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  explicit GroupPolicyMethod(std::string scale_rewards) : scale_rewards_(std::move(scale_rewards)) {}
  virtual void declare(core::Fields& /*fields*/) {}
  /// [N]: what the sum over each candidate's tokens is divided by.
  virtual at::Tensor normaliser(const Batch& batch) const = 0;

 private:
  /// Ratios and what goes with them: one number per token, or per candidate with sequence-level ratios.
  struct Ratios {
    at::Tensor ratio, advantages;
    bool per_token = true;
  };
  Ratios ratios(const Batch& batch, const at::Tensor& logps) const;
  at::Tensor clipped(Ratios& ratios) const;
  bool dropped(const Candidate& candidate) const { return mask_truncated_ && candidate.truncated; }
  void add_clip_metrics(const Ratios& terms, const Batch& batch, const at::Tensor& keep,
                        Metrics& metrics) const;

  double beta_ = 0, epsilon_ = 0.2;
  double epsilon_high_ = std::numeric_limits<double>::quiet_NaN(),
         delta_ = std::numeric_limits<double>::quiet_NaN();
  std::string scale_rewards_, importance_sampling_level_ = "token";
  bool use_bias_correction_kl_ = true, mask_truncated_ = false;
};

}  // namespace attune::algorithm
