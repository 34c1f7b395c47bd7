#include "algorithm/base/point/token_loss_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/candidates.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

void TokenLossMethod::declare(core::Fields& fields) {
  fields
      .add("normalization", normalization_,
           "token: every token of the step counts the same; sequence: every completion counts the same.")
      .one_of({"token", "sequence"});
}

at::Tensor TokenLossMethod::reduced(const at::Tensor& token_losses, const Batch& batch) const {
  if (normalization_ == "token") return DistributionMethod::reduced(token_losses, batch);
  return (segment_mean(token_losses, batch.offsets) * weights_of(batch.candidates)).sum() /
         std::max(1.0, batch.totals.candidates);
}

}  // namespace attune::algorithm
