#include "algorithm/base/pair/pair_method.h"

#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/part/divergence.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

core::Fields PairMethod::fields() {
  core::Fields fields;
  fields
      .add("beta", beta_,
           uses_reference()
               ? "Strength of the pull towards the reference: larger stays closer."
               : "What log-probabilities are multiplied by: larger is satisfied with smaller gaps.")
      .positive();
  declare(fields);
  if (uses_reference() && may_drop_reference()) {
    fields.add("reference_free", reference_free_,
               "Leave the reference out: its log-probabilities count as 0.");
  }
  if (uses_reference() && takes_divergence()) {
    fields.add("f_divergence_type", divergence_, "Divergence from the reference whose optimum the loss has.")
        .one_of(divergence_names());
    fields.add("f_alpha_divergence_coef", divergence_alpha_, "α of the alpha divergence.");
  }
  fields
      .add("ld_alpha", ld_alpha_,
           "LD-DPO (arXiv:2409.06411): weight of the tokens beyond the shorter answer's length; null: 1.")
      .range(0, 1)
      .optional();
  if (weighted()) {
    fields.add("use_weighting", use_weighting_,
               "WPO (arXiv:2406.11827): weigh pairs by how likely the policy is to write them.");
  }
  return fields;
}

void PairMethod::check() const {
  if (reference_free_ && divergence_ != "reverse_kl") {
    core::fail_request(
        "method.f_divergence_type: '{}' needs a reference; remove reference_free or the divergence",
        divergence_);
  }
}

void PairMethod::declare_label_smoothing(core::Fields& fields, double& value, const std::string& help) const {
  fields.add("label_smoothing", value, help).range(0, 0.5);
}

std::vector<Need> PairMethod::needs() const {
  std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}};
  if (reads_reference()) needs.push_back({"logps", Source::kReference});
  if (use_weighting_) needs.push_back({"wpo_weight", Source::kPolicy});
  needs = with_token_metrics(std::move(needs));
  needs.push_back(metric_need("mean_logit"));
  return needs;
}

PairTerms::Side PairMethod::side(const at::Tensor& index, const at::Tensor& other, const Batch& batch) const {
  const double beyond = std::isnan(ld_alpha_) ? 1 : ld_alpha_;
  const at::Tensor weights = token_weights(batch);
  const auto sums = [&](const at::Tensor& per_token) {
    return pair_sums(weights.defined() ? per_token * weights : per_token, index, other, batch.offsets,
                     beyond);
  };
  PairTerms::Side side;
  side.logps = sums(batch.signal("logps"));
  side.ref_logps = reads_reference() ? sums(batch.signal("ref_logps").detach()) : at::zeros_like(side.logps);
  side.ratio = side.logps - side.ref_logps;
  side.score = divergence_score(divergence_, divergence_alpha_, side.ratio);
  side.tokens = lengths(batch.offsets).index_select(0, index);
  return side;
}

PairTerms PairMethod::terms(const Batch& batch, const PairIndex& index) const {
  PairTerms pairs;
  pairs.index = index;
  pairs.chosen = side(index.chosen, index.rejected, batch);
  pairs.rejected = side(index.rejected, index.chosen, batch);
  return pairs;
}

at::Tensor PairMethod::pair_weights(const PairTerms& pairs, const Batch& batch) const {
  const at::Tensor weights = pairs.index.weights(batch);
  if (!use_weighting_) return weights;
  const at::Tensor likely = segment_mean(batch.signal("wpo_weight").detach(), batch.offsets).exp();
  return weights * likely.index_select(0, pairs.index.chosen) * likely.index_select(0, pairs.index.rejected);
}

Loss PairMethod::loss(const Batch& batch, const State& /*state*/) const {
  const PairIndex index = pairs_of(batch);
  if (index.soft && !weighted())
    core::fail_request(
        "{} sorts over all pairs of a step and cannot use 'preference' (soft labels) of single pairs",
        info().name);
  const PairTerms pairs = terms(batch, index);
  at::Tensor per_pair = soft_pair_loss(index, [&](const PairIndex& ordered) {
    return pair_loss(ordered.chosen.is_same(index.chosen) ? pairs : terms(batch, ordered), batch);
  });
  if (weighted()) per_pair = per_pair * pair_weights(pairs, batch);
  Loss result;
  result.value = (per_pair * index.share).sum() / batch.totals.groups;
  add_pair_metrics(pairs, batch, result.metrics);
  const auto is_chosen = [](const Candidate& c) { return c.role == Role::kChosen; };
  add_token_metrics(batch, result.metrics, {}, is_chosen);
  add_logit_metrics(batch, result.metrics, is_chosen);
  add_metrics(pairs, batch, result.metrics);
  return result;
}

void PairMethod::add_pair_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const {
  const auto [chosen_reward, rejected_reward] = rewards(pairs, batch);
  const at::Tensor chosen = beta_ * chosen_reward.detach(), rejected = beta_ * rejected_reward.detach();
  metrics["rewards/chosen"] = mean_metric(chosen);
  metrics["rewards/rejected"] = mean_metric(rejected);
  metrics["rewards/accuracies"] = mean_metric((chosen > rejected).to(at::kDouble));
  metrics["rewards/margins"] = mean_metric(chosen - rejected);
  metrics["logps/chosen"] = mean_metric(pairs.chosen.logps);
  metrics["logps/rejected"] = mean_metric(pairs.rejected.logps);
}

}  // namespace attune::algorithm
