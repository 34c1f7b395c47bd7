#include "algorithm/base/token_loss_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

core::Fields TokenLossMethod::fields() {
  core::Fields fields;
  declare(fields);
  fields
      .add("normalization", normalization_,
           "token: every token of the step counts the same; sequence: every completion counts the same.")
      .one_of({"token", "sequence"});
  return fields;
}

std::vector<Need> TokenLossMethod::needs() const {
  std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}};
  for (Need& need : token_metric_needs()) needs.push_back(std::move(need));
  return needs;
}

Loss TokenLossMethod::loss(const Batch& batch, const State& /*state*/) const {
  const at::Tensor per_token = token_loss(batch.signal("logps"));
  std::vector<double> weights;
  for (const Candidate& candidate : batch.candidates) weights.push_back(candidate.weight);
  Loss result;
  if (normalization_ == "token") {
    result.value = (segment_sum(per_token, batch.offsets) * vector_of(weights)).sum() /
                   std::max(1.0, batch.totals.tokens);
  } else {
    result.value = (segment_mean(per_token, batch.offsets) * vector_of(weights)).sum() /
                   std::max(1.0, batch.totals.candidates);
  }
  add_token_metrics(batch, result.metrics);
  return result;
}

}  // namespace attune::algorithm
