#include "algorithm/part/segments.h"

#include <ATen/ATen.h>

namespace attune::algorithm {

at::Tensor owners(const core::Offsets& offsets) {
  std::vector<std::int64_t> owner(static_cast<std::size_t>(offsets.back()));
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (std::int64_t t = offsets[i]; t < offsets[i + 1]; ++t) owner[t] = static_cast<std::int64_t>(i);
  }
  return at::tensor(owner, at::kLong);
}

at::Tensor lengths(const core::Offsets& offsets) {
  std::vector<double> result;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i)
    result.push_back(static_cast<double>(offsets[i + 1] - offsets[i]));
  return vector_of(result);
}

at::Tensor segment_sum(const at::Tensor& per_token, const core::Offsets& offsets) {
  const auto candidates = static_cast<std::int64_t>(offsets.size()) - 1;
  return at::zeros({candidates}, per_token.options().requires_grad(false))
      .index_add(0, owners(offsets), per_token);
}

at::Tensor segment_mean(const at::Tensor& per_token, const core::Offsets& offsets) {
  return segment_sum(per_token, offsets) / lengths(offsets).clamp_min(1);
}

at::Tensor spread(const at::Tensor& per_candidate, const core::Offsets& offsets) {
  return per_candidate.index_select(0, owners(offsets));
}

at::Tensor vector_of(const std::vector<double>& numbers) { return at::tensor(numbers, at::kDouble); }

}  // namespace attune::algorithm
