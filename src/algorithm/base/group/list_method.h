// What methods on ranked or rated lists share: the candidates of one prompt with their numbers, best first,
// the mean over prompts, and metrics. A list method then is its formula for one list.
#pragma once

#include "algorithm/method.h"
#include "algorithm/part/row_needs.h"

namespace attune::algorithm {

/// The n candidates of one prompt, best first: float64 [n] each.
struct ListTerms {
  at::Tensor logps;   ///< Σ_t log π
  at::Tensor ratio;   ///< Σ_t (log π − log π_ref); of methods without a reference Σ_t log π
  at::Tensor tokens;  ///< completion tokens
  at::Tensor items;   ///< int64: its place in the batch
  at::Tensor merits;  ///< rewards where the method learns from them, else minus the rank: more is better
  at::Tensor mean_logps() const;  ///< logps / tokens
  at::Tensor outranks() const;    ///< [n, n]: 1 where i is better than j, ties excluded
  std::int64_t size() const { return logps.size(0); }
};

/// The loss is the mean over prompts of weight · list_loss, a list's weight being the mean of its
/// candidates'.
class ListMethod : public Method {
 public:
  core::Fields fields() final;
  std::vector<Need> needs() const override;
  Scope scope() const final { return Scope::kGroup; }
  GroupShape shape() const final { return uses_rewards() ? GroupShape::kGroups : GroupShape::kLists; }
  record::FeedbackNeeds feedback_needs() const override {
    return {{company()}, uses_rewards() ? record::Contrast::kRewards : record::Contrast::kNothing};
  }
  /// Metrics of the rewards, where the method learns from them.
  void prepare(Batch& step, State& state, Metrics& metrics) const final;
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  /// Options of this method alone.
  virtual void declare(core::Fields& /*fields*/) {}
  /// The loss of one list, a scalar.
  virtual at::Tensor list_loss(const ListTerms& list, const Batch& batch) const = 0;
  /// What stands for the candidates' implicit rewards in metrics, [n]: β times the log-ratios, or the mean of
  /// log π over tokens where there is no reference.
  virtual at::Tensor implicit_rewards(const ListTerms& list) const;
  /// False for losses of the policy alone: no reference is computed.
  virtual bool uses_reference() const { return true; }
  /// Whether there is an option "beta".
  virtual bool uses_beta() const { return uses_reference(); }
  /// "alpha", which divides the given rewards: smaller heeds only the best.
  static void declare_reward_temperature(core::Fields& fields, double& alpha);
  /// True where sizes of rewards matter: groups with rewards. Else the order alone counts: lists.
  virtual bool uses_rewards() const { return false; }

  double beta_ = 0.1;

 private:
  at::Tensor merits_of(const Batch& batch) const;
};

}  // namespace attune::algorithm
