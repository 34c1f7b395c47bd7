// Preference losses of the policy alone that may keep the chosen answer likely: CPO, SimPO and their
// relatives. They differ in what is done with the difference of the two sides.
#pragma once

#include <utility>

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

/// With s = log π(y), summed or per token, and ψ(s) = s, or AlphaPO's (1 − e^(−αs))/α:
///   L = mean over pairs of margin_loss(ψ(s₊) − ψ(s₋)) + cpo_alpha · mean over chosen tokens of −log π
/// A method names the options that it has of these; the others keep their defaults.
class ContrastiveMethod : public PairMethod {
 public:
  void prepare(Batch& step, State& state, Metrics& metrics) const final;

 protected:
  struct Defaults {
    bool per_token = false;  ///< whether s is the mean over tokens
    double cpo_alpha = 0, alpha = 0, gamma = 0;
  };
  explicit ContrastiveMethod(Defaults defaults)
      : per_token_(defaults.per_token),
        cpo_alpha_(defaults.cpo_alpha),
        alpha_(defaults.alpha),
        gamma_(defaults.gamma) {}
  /// [P] from ψ(s₊) − ψ(s₋) = d, which β has not scaled yet: −log σ(β d − γ), with label smoothing.
  virtual at::Tensor margin_loss(const at::Tensor& difference) const;

  bool uses_reference() const final { return false; }
  /// The options of all of CPO's losses.
  void declare(core::Fields& fields) override {
    declare_likelihood(fields);
    declare_shape(fields);
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const final;
  std::pair<at::Tensor, at::Tensor> rewards(const PairTerms& pairs, const Batch& batch) const final;
  void add_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const final;
  void declare_likelihood(core::Fields& fields);  ///< cpo_alpha
  void declare_shape(core::Fields& fields);       ///< alpha
  void declare_margin(core::Fields& fields);      ///< gamma
  void declare_smoothing(core::Fields& fields);   ///< label_smoothing

 private:
  at::Tensor reward(const PairTerms::Side& side) const;

  bool per_token_;
  double cpo_alpha_, alpha_, gamma_, label_smoothing_ = 0;
};

}  // namespace attune::algorithm
