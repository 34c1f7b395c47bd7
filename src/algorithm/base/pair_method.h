// What all methods on preference pairs share: finding the pairs, the summed log-ratios of both sides, the
// mean over pairs, and TRL's metrics. A pair method then is its formula for one pair.
#pragma once

#include <limits>

#include "algorithm/method.h"

namespace attune::algorithm {

/// Indices of the candidates of each pair, [P] each, in group order.
struct PairIndex {
  at::Tensor chosen, rejected;  ///< int64 [P]
};

/// @throws Error{kRequest} when a group is not exactly one chosen and one rejected candidate.
PairIndex pairs_of(const Batch& batch);

/// The numbers of P pairs, float64 [P] each. `ratio` is Σ_t (log π − log π_ref), or Σ_t log π without a
/// reference; `score` is the ratio after the f-divergence (the ratio itself for reverse KL).
struct PairTerms {
  struct Side {
    at::Tensor logps, ref_logps, ratio, score;
    at::Tensor tokens;  ///< completion tokens
  } chosen, rejected;
  at::Tensor margin;  ///< by how much the chosen one is preferred, where the data say so; else 0
  PairIndex index;
  at::Tensor delta() const;  ///< chosen.score − rejected.score
};

/// −(1−ε) log σ(u) − ε log σ(−u): the logistic loss with a fraction ε of flipped labels.
at::Tensor smoothed_logistic(const at::Tensor& u, double label_smoothing);

/// Base of the pair methods. The loss is Σ_pairs weight · pair_loss / (pairs of the step). A pair's weight is
/// the mean of its candidates' weights, times WPO's weights with `use_weighting`.
class PairMethod : public Method {
 public:
  core::Fields fields() final;
  void check() const override;
  std::vector<Need> needs() const override;
  Scope scope() const override { return Scope::kGroup; }
  Feedback feedback() const final { return Feedback::kPairs; }
  Loss loss(const Batch& batch, const State& state) const final;

 protected:
  /// Options of this method alone.
  virtual void declare(core::Fields& /*fields*/) {}
  /// The loss of each pair, [P].
  virtual at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const = 0;
  /// What the metrics call the rewards of (chosen, rejected), before β: the log-ratios by default.
  virtual std::pair<at::Tensor, at::Tensor> rewards(const PairTerms& pairs, const Batch& /*batch*/) const {
    return {pairs.chosen.ratio, pairs.rejected.ratio};
  }
  virtual void add_metrics(const PairTerms& /*pairs*/, const Batch& /*batch*/, Metrics& /*metrics*/) const {}
  /// False for methods whose terms do not belong to one pair (AOT sorts): weights are refused there.
  virtual bool weighted() const { return true; }
  /// True where the paper's loss goes through PairTerms::delta(), so that an f-divergence may replace the
  /// log-ratio.
  virtual bool takes_divergence() const { return true; }
  /// True where the loss still means something without a reference.
  virtual bool may_drop_reference() const { return true; }
  /// Declares "label_smoothing" with the meaning of this method.
  void declare_label_smoothing(core::Fields& fields, double& value, const std::string& help) const;

  double beta_ = 0.1;

 private:
  PairTerms terms(const Batch& batch) const;
  PairTerms::Side side(const at::Tensor& index, const Batch& batch, const at::Tensor& logps,
                       const at::Tensor& ref_logps) const;
  at::Tensor pair_weights(const PairTerms& pairs, const Batch& batch) const;
  void add_pair_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const;

  bool reference_free_ = false, use_weighting_ = false;
  std::string divergence_ = "reverse_kl";
  double divergence_alpha_ = 0.5;
  double ld_alpha_ = std::numeric_limits<double>::quiet_NaN();  ///< NaN: off
};

}  // namespace attune::algorithm
