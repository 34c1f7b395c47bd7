// What all methods on preference pairs share: finding the pairs, the summed log-ratios of both sides, the
// mean over pairs, and TRL's metrics. A pair method then is its formula for one pair.
#pragma once

#include <functional>
#include <limits>

#include "algorithm/method.h"

namespace attune::algorithm {

/// The P pairs of a batch.
struct PairIndex {
  at::Tensor chosen, rejected;  ///< int64 [P] candidates
  at::Tensor share;             ///< float64 [P] its part of its group's loss: 1 / pairs of the group
  at::Tensor
      preference;     ///< float64 [P] probability that the chosen one is preferred: 1 unless the data say so
  at::Tensor margin;  ///< float64 [P] by how much the chosen one is preferred, where the data say so; else 0
  bool soft = false;  ///< some preference is not 1

  /// The same pairs with their sides exchanged.
  PairIndex swapped() const;
  /// The mean of both sides' weights, [P].
  at::Tensor weights(const Batch& batch) const;
};

/// What the data say of a pair whose sides may both be rated: the probability that `chosen` is the preferred one.
double preference_of(const Candidate& chosen, const Candidate& rejected);

/// @throws Error{kRequest} when the batch has no pairs.
PairIndex pairs_of(const Batch& batch);

/// Σ_t over the tokens of each pair's `side`, of which those beyond the length of the other side count
/// `beyond` times (LD-DPO, arXiv:2409.06411): [P].
at::Tensor pair_sums(const at::Tensor& per_token, const at::Tensor& side, const at::Tensor& other,
                     const core::Offsets& offsets, double beyond);

/// With soft labels p · loss(pairs) + (1 − p) · loss(pairs with sides exchanged), which are rows of a loss
/// for a pair (Zhao et al. 2023; IPO's and cDPO's reading of a preference probability); loss(pairs) without.
at::Tensor soft_pair_loss(const PairIndex& pairs, const std::function<at::Tensor(const PairIndex&)>& loss);

/// The numbers of P pairs, float64 [P] each. `ratio` is Σ_t (log π − log π_ref), or Σ_t log π without a
/// reference; `score` is the ratio after the f-divergence (the ratio itself for reverse KL).
struct PairTerms {
  struct Side {
    at::Tensor logps, ref_logps, ratio, score;
    at::Tensor tokens;  ///< completion tokens
    /// A sum over this side's tokens as their mean.
    at::Tensor per_token(const at::Tensor& sum) const;
  } chosen, rejected;
  PairIndex index;
  at::Tensor delta() const;  ///< chosen.score − rejected.score
};

/// −(1−ε) log σ(u) − ε log σ(−u): the logistic loss with a fraction ε of flipped labels.
at::Tensor smoothed_logistic(const at::Tensor& u, double label_smoothing);

/// Base of the pair methods. The loss is the mean over prompts of the mean over a prompt's pairs of weight ·
/// pair_loss, as InstructGPT does for rankings; where a prompt has one pair, the mean over pairs. A pair's
/// weight is the mean of its candidates' weights, times WPO's weights with `use_weighting`. Soft labels mix
/// the losses of both orders (soft_pair_loss).
class PairMethod : public Method {
 public:
  core::Fields fields() final;
  void check() const override;
  std::vector<Need> needs() const override;
  Scope scope() const override { return Scope::kGroup; }
  GroupShape shape() const final { return GroupShape::kPairs; }
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
  /// What each token counts in the sums of both sides, [tokens]; undefined: 1.
  virtual at::Tensor token_weights(const Batch& /*batch*/) const { return {}; }
  /// False for methods whose terms do not belong to one pair (AOT sorts): weights are refused there.
  virtual bool weighted() const { return true; }
  /// True where the paper's loss goes through PairTerms::delta(), so that an f-divergence may replace the
  /// log-ratio.
  virtual bool takes_divergence() const { return true; }
  /// True where the loss still means something without a reference: it then has the option "reference_free".
  virtual bool may_drop_reference() const { return true; }
  /// False for losses of the policy alone (SimPO): no reference is computed, ref_logps count as 0, and β is a
  /// scale.
  virtual bool uses_reference() const { return true; }
  /// Declares "label_smoothing" with the meaning of this method.
  void declare_label_smoothing(core::Fields& fields, double& value, const std::string& help) const;

  double beta_ = 0.1;

 private:
  PairTerms terms(const Batch& batch, const PairIndex& index) const;
  PairTerms::Side side(const at::Tensor& index, const at::Tensor& other, const Batch& batch) const;
  at::Tensor pair_weights(const PairTerms& pairs, const Batch& batch) const;
  void add_pair_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const;
  bool reads_reference() const { return uses_reference() && !reference_free_; }

  bool reference_free_ = false, use_weighting_ = false;
  std::string divergence_ = "reverse_kl";
  double divergence_alpha_ = 0.5;
  double ld_alpha_ = std::numeric_limits<double>::quiet_NaN();  ///< NaN: off
};

}  // namespace attune::algorithm
