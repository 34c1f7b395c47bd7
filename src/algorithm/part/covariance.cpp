#include "algorithm/part/covariance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace attune::algorithm {

at::Tensor covariances(const at::Tensor& logps, const at::Tensor& advantages, const at::Tensor& counted) {
  const at::Tensor tokens = counted.sum().clamp_min(1);
  const auto centred = [&](const at::Tensor& x) { return x - (x * counted).sum() / tokens; };
  return centred(logps) * centred(advantages);
}

at::Tensor largest_share(const at::Tensor& values, const at::Tensor& eligible, double share, double total) {
  const auto wanted = std::max<std::int64_t>(1, static_cast<std::int64_t>(share * total));
  const std::int64_t count = std::min(wanted, eligible.sum().item<std::int64_t>());
  at::Tensor chosen = at::zeros_like(values);
  if (count == 0) return chosen;
  const at::Tensor ranked =
      values.masked_fill(eligible.logical_not(), -std::numeric_limits<double>::infinity());
  const at::Tensor order = std::get<1>(ranked.sort(/*stable=*/true, 0, /*descending=*/true));
  return chosen.index_fill_(0, order.slice(0, 0, count), 1);
}

}  // namespace attune::algorithm
