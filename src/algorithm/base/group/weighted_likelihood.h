// What methods that imitate rated answers by how good they are share: the advantage of each answer and the weighted
// mean of log π.
#pragma once

#include "algorithm/method.h"

namespace attune::algorithm {

/// L = −mean_i sg(weight_of(A_i, log π/π_ref(y_i))) · mean_t log π(y_t), times the candidates' weights. A is the reward,
/// or the reward less the mean of its prompt's.
class WeightedLikelihood : public Method {
 public:
  core::Fields fields() final;
  std::vector<Need> needs() const final;
  Scope scope() const final { return Scope::kCandidate; }
  GroupShape shape() const final { return GroupShape::kGroups; }
  /// An answer of a row weighs something, by a policy that has not moved yet.
  record::FeedbackNeeds feedback_needs() const final;
  /// Fixes "advantages" [N].
  void prepare(Batch& step, State& state, Metrics& metrics) const final;
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  enum class Baseline { kNone, kGroup };
  explicit WeightedLikelihood(Baseline baseline)
      : baseline_(baseline == Baseline::kGroup ? "group" : "none") {}
  virtual void declare(core::Fields& /*fields*/) {}
  /// Whether weight_of looks at the log-ratio; it is 0 otherwise.
  virtual bool uses_reference() const { return false; }
  virtual double weight_of(double advantage, double log_ratio) const = 0;

 private:
  /// What weight_of is asked of: one number for each candidate.
  std::vector<double> advantages_of(const std::vector<Candidate>& candidates) const;

  std::string baseline_;
};

}  // namespace attune::algorithm
