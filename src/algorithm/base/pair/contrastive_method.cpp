#include "algorithm/base/pair/contrastive_method.h"

#include <ATen/ATen.h>

#include "algorithm/base/pair/chosen_likelihood.h"
#include "algorithm/part/divergence.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

void ContrastiveMethod::prepare(Batch& step, State& /*state*/, Metrics& /*metrics*/) const {
  fix_chosen_tokens(step);
}

void ContrastiveMethod::declare_likelihood(core::Fields& fields) {
  fields.add("cpo_alpha", cpo_alpha_, "Weight of the likelihood of the chosen answers.").non_negative();
}

void ContrastiveMethod::declare_shape(core::Fields& fields) {
  fields.add("alpha", alpha_,
             "AlphaPO (arXiv:2501.03884): the shape α of the reward (1 − p^−α)/α; 0 is log p.");
}

void ContrastiveMethod::declare_margin(core::Fields& fields) {
  fields.add("gamma", gamma_, "γ, the margin that a pair is to reach.").non_negative().alias("simpo_gamma");
}

void ContrastiveMethod::declare_smoothing(core::Fields& fields) {
  declare_label_smoothing(fields, label_smoothing_, "Fraction of pairs whose preference is assumed flipped.");
}

at::Tensor ContrastiveMethod::margin_loss(const at::Tensor& difference) const {
  return smoothed_logistic(beta_ * difference - gamma_, label_smoothing_);
}

at::Tensor ContrastiveMethod::reward(const PairTerms::Side& side) const {
  const at::Tensor s = per_token_ ? side.per_token(side.logps) : side.logps;
  // (1 − p^−α)/α is the derivative of the α-divergence of order 1 − α, its exponent bounded there.
  return alpha_ == 0 ? s : divergence_score("alpha_divergence", 1 - alpha_, s);
}

at::Tensor ContrastiveMethod::pair_loss(const PairTerms& pairs, const Batch& batch) const {
  const at::Tensor loss = margin_loss(reward(pairs.chosen) - reward(pairs.rejected));
  return cpo_alpha_ == 0 ? loss : loss + cpo_alpha_ * chosen_nll(pairs, batch);
}

std::pair<at::Tensor, at::Tensor> ContrastiveMethod::rewards(const PairTerms& pairs,
                                                             const Batch& /*batch*/) const {
  return {reward(pairs.chosen), reward(pairs.rejected)};
}

void ContrastiveMethod::add_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const {
  if (cpo_alpha_ != 0) add_nll_metric(pairs, batch, metrics);
  if (!per_token_) return;
  metrics["logps/chosen"] = mean_metric(pairs.chosen.per_token(pairs.chosen.logps));
  metrics["logps/rejected"] = mean_metric(pairs.rejected.per_token(pairs.rejected.logps));
}

}  // namespace attune::algorithm
