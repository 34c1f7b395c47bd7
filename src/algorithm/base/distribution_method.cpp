#include "algorithm/base/distribution_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

core::Fields DistributionMethod::fields() {
  core::Fields fields;
  declare(fields);
  return fields;
}

std::vector<Need> DistributionMethod::needs() const {
  std::vector<Need> needs = distribution_needs();
  for (Need& need : token_metric_needs()) {
    const bool read =
        std::ranges::any_of(needs, [&](const Need& known) { return known.key() == need.key(); });
    if (!read) needs.push_back(std::move(need));
  }
  return needs;
}

Loss DistributionMethod::loss(const Batch& batch, const State& /*state*/) const {
  std::vector<double> weights;
  for (const Candidate& candidate : batch.candidates) weights.push_back(candidate.weight);
  Loss result;
  result.value = (segment_sum(token_loss(batch), batch.offsets) * vector_of(weights)).sum() /
                 std::max(1.0, batch.totals.tokens);
  add_token_metrics(batch, result.metrics);
  return result;
}

}  // namespace attune::algorithm
