// Alignment via optimal transport (Melnyk et al. 2024, arXiv:2406.05882): what the paired and the unpaired
// form share.
#pragma once

#include <utility>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

///   L = mean of −(1−ε) log σ(u) − ε log σ(−u),   u = β (sort(a) − sort(b)),  sorted over the step
class OptimalTransportMethod : public PairMethod {
 public:
  Scope scope() const final { return Scope::kStep; }
  record::FeedbackNeeds feedback_needs() const final;

 protected:
  /// [pairs] each: the numbers whose distributions are compared, the larger ones wanted first.
  virtual std::pair<at::Tensor, at::Tensor> sides(const PairTerms& pairs) const = 0;

  bool weighted() const final { return false; }
  bool takes_divergence() const final { return false; }
  void declare(core::Fields& fields) final;
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const final;
  static constexpr const char* kDepartures =
      "Sorted over the optimiser step, where TRL sorts each micro-batch. Candidate weights are not used: a "
      "sorted term has no single pair.";

 private:
  double label_smoothing_ = 0;
};

}  // namespace attune::algorithm
