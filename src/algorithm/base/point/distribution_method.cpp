#include "algorithm/base/point/distribution_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/candidates.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

core::Fields DistributionMethod::fields() {
  core::Fields fields;
  declare(fields);
  return fields;
}

std::vector<Need> DistributionMethod::needs() const { return with_token_metrics(distribution_needs()); }

at::Tensor DistributionMethod::reduced(const at::Tensor& token_losses, const Batch& batch) const {
  return (segment_sum(token_losses, batch.offsets) * weights_of(batch.candidates)).sum() /
         std::max(1.0, batch.totals.tokens);
}

Loss DistributionMethod::loss(const Batch& batch, const State& /*state*/) const {
  Loss result;
  result.value = reduced(token_loss(batch), batch);
  add_token_metrics(batch, result.metrics);
  return result;
}

}  // namespace attune::algorithm
