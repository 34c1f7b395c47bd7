// Which tokens move together with what they are praised for (Cui et al. 2025, arXiv:2505.22617).
#pragma once

#include <ATen/core/Tensor.h>

namespace attune::algorithm {

/// (log π − mean)(A − mean) of each token, [tokens]; means are over those where `counted` is 1.
at::Tensor covariances(const at::Tensor& logps, const at::Tensor& advantages, const at::Tensor& counted);

/// [tokens] 1 at the eligible tokens of largest `values`: a share of `total`, one at least; the first of equal ones.
at::Tensor largest_share(const at::Tensor& values, const at::Tensor& eligible, double share, double total);

}  // namespace attune::algorithm
