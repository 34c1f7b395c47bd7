#include "algorithm/base/pair_method.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/part/divergence.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

core::Fields PairMethod::fields() {
  core::Fields fields;
  fields.add("beta", beta_, "Strength of the pull towards the reference: larger stays closer.").positive();
  declare(fields);
  if (may_drop_reference()) {
    fields.add("reference_free", reference_free_,
               "Leave the reference out: its log-probabilities count as 0.");
  }
  if (takes_divergence()) {
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
  if (!reference_free_) needs.push_back({"logps", Source::kReference});
  if (use_weighting_) needs.push_back({"wpo_weight", Source::kPolicy});
  for (Need& need : token_metric_needs()) needs.push_back(std::move(need));
  needs.push_back(metric_need("mean_logit"));
  return needs;
}

namespace {

/// [offsets[N]]: 1 for the tokens within the length of the pair's shorter side, `alpha` for the rest.
at::Tensor length_weights(const PairIndex& index, const core::Offsets& offsets, double alpha) {
  at::Tensor weights = at::ones({offsets.back()}, at::kDouble);
  for (std::int64_t pair = 0; pair < index.chosen.size(0); ++pair) {
    const auto chosen = index.chosen[pair].item<std::int64_t>(),
               rejected = index.rejected[pair].item<std::int64_t>();
    const std::int64_t shared =
        std::min(offsets[chosen + 1] - offsets[chosen], offsets[rejected + 1] - offsets[rejected]);
    for (const std::int64_t i : {chosen, rejected})
      weights.slice(0, offsets[i] + shared, offsets[i + 1]).fill_(alpha);
  }
  return weights;
}

}  // namespace

PairTerms::Side PairMethod::side(const at::Tensor& index, const Batch& batch, const at::Tensor& logps,
                                 const at::Tensor& ref_logps) const {
  PairTerms::Side side;
  side.logps = logps.index_select(0, index);
  side.ref_logps = ref_logps.index_select(0, index);
  side.ratio = side.logps - side.ref_logps;
  side.score = divergence_score(divergence_, divergence_alpha_, side.ratio);
  side.tokens = lengths(batch.offsets).index_select(0, index);
  return side;
}

PairTerms PairMethod::terms(const Batch& batch) const {
  PairTerms pairs;
  pairs.index = pairs_of(batch);
  at::Tensor weights = at::ones({batch.offsets.back()}, at::kDouble);
  if (!std::isnan(ld_alpha_)) weights = length_weights(pairs.index, batch.offsets, ld_alpha_);
  const at::Tensor logps = segment_sum(batch.signal("logps") * weights, batch.offsets);
  const at::Tensor ref_logps = reference_free_
                                   ? at::zeros({batch.size()}, at::kDouble)
                                   : segment_sum(batch.signal("ref_logps").detach() * weights, batch.offsets);
  pairs.chosen = side(pairs.index.chosen, batch, logps, ref_logps);
  pairs.rejected = side(pairs.index.rejected, batch, logps, ref_logps);
  std::vector<double> margins;
  for (const Candidate& candidate : batch.candidates) margins.push_back(candidate.margin);
  pairs.margin = vector_of(margins).index_select(0, pairs.index.chosen);
  return pairs;
}

at::Tensor PairMethod::pair_weights(const PairTerms& pairs, const Batch& batch) const {
  std::vector<double> given;
  for (const Candidate& candidate : batch.candidates) given.push_back(candidate.weight);
  const at::Tensor weights = vector_of(given);
  const auto of = [&](const at::Tensor& values, const at::Tensor& index) {
    return values.index_select(0, index);
  };
  at::Tensor result = (of(weights, pairs.index.chosen) + of(weights, pairs.index.rejected)) / 2;
  if (use_weighting_) {
    const at::Tensor likely = segment_mean(batch.signal("wpo_weight").detach(), batch.offsets).exp();
    result = result * of(likely, pairs.index.chosen) * of(likely, pairs.index.rejected);
  }
  return result;
}

Loss PairMethod::loss(const Batch& batch, const State& /*state*/) const {
  const PairTerms pairs = terms(batch);
  at::Tensor per_pair = pair_loss(pairs, batch);
  if (weighted()) per_pair = per_pair * pair_weights(pairs, batch);
  Loss result;
  result.value = per_pair.sum() / batch.totals.groups;
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
