// Policy gradients on groups of sampled completions with rewards: GRPO and its relatives. They differ in how
// a ratio becomes a token's loss and in what that is divided by; the rest is here.
#pragma once

#include <limits>

#include "algorithm/method.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/row_needs.h"

namespace attune::algorithm {

/// Probabilities now over those when sampled.
struct PolicyRatios {
  at::Tensor log_ratio;   ///< [tokens] log π/π_old
  at::Tensor ratio;       ///< [tokens] ρ, or [N] the geometric mean of a sequence (GSPO)
  at::Tensor advantages;  ///< as long as `ratio`
  bool per_token = true;  ///< which of the two
  /// A number per ratio as one per token.
  at::Tensor to_tokens(const at::Tensor& x, const Batch& batch) const;
};

/// With ratio ρ = π/π_old, advantage A and reference π_ref, per token of completion i:
///   ℓ = token_loss(ρ, A) · [A ≥ 0 or mean_t log π_old/π ≤ off_policy_mask_threshold] · [entropy in the upper
///   share]
///       + β k3(π_ref/π) [· ρ with use_bias_correction_kl]
/// L = Σ_i weight_i Σ_t ℓ / normaliser(i) − entropy_coef · mean entropy
class GroupPolicyMethod : public Method {
 public:
  core::Fields fields() final;
  std::vector<Need> needs() const final;
  Scope scope() const override { return top_entropy_quantile_ < 1 ? Scope::kStep : Scope::kCandidate; }
  GroupShape shape() const final { return GroupShape::kGroups; }
  record::FeedbackNeeds feedback_needs() const override { return {{differing_rewards()}}; }
  /// Fixes "advantages" [N] and "kept_tokens" [N] (tokens of the step that enter the loss, the same in every
  /// entry).
  void prepare(Batch& step, State& state, Metrics& metrics) const final;
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  struct Defaults {
    std::string scale_rewards = "group", importance_sampling_level = "token";
  };
  explicit GroupPolicyMethod(Defaults defaults)
      : scale_rewards_(defaults.scale_rewards),
        importance_sampling_level_(defaults.importance_sampling_level) {}
  virtual void declare(core::Fields& /*fields*/) {}
  /// False where advantages_of is the method's own: there is no option "scale_rewards".
  virtual bool scales_rewards() const { return true; }
  /// The advantage of each candidate of a step: (r − mean of its group) / what scale_rewards says.
  virtual GroupAdvantages advantages_of(const Batch& step) const;
  /// Metrics of a step beside those of rewards and lengths.
  virtual void add_step_metrics(const Batch& /*step*/, Metrics& /*metrics*/) const {}
  /// [tokens]: the loss of each token before masks and KL. `kept` [N] is 1 for candidates that enter the
  /// loss; metrics count those.
  virtual at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& kept,
                                Metrics& metrics) const = 0;
  /// [N]: what the sum over each candidate's tokens is divided by.
  virtual at::Tensor normaliser(const Batch& batch) const = 0;
  /// Mean of a number per ratio over what is kept: over tokens, or over sequences with sequence-level ratios.
  static Metric mean_over(const at::Tensor& x, const PolicyRatios& ratios, const Batch& batch,
                          const at::Tensor& kept);

 private:
  PolicyRatios ratios_of(const Batch& batch) const;
  /// [tokens] 1 where a token's policy loss counts, of those that are `in_loss` [tokens].
  at::Tensor counted(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& in_loss) const;
  bool dropped(const Candidate& candidate) const { return mask_truncated_ && record::was_cut(candidate); }

  double beta_ = 0, top_entropy_quantile_ = 1, entropy_coef_ = 0;
  double off_policy_mask_threshold_ = std::numeric_limits<double>::quiet_NaN();
  std::string scale_rewards_, importance_sampling_level_;
  bool use_bias_correction_kl_ = true, mask_truncated_ = false;
};

}  // namespace attune::algorithm
