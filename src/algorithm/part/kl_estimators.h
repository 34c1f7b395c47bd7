// Estimators of KL(policy ‖ other) from samples of the policy (Schulman 2020, "Approximating KL divergence").
// With d = log other − log policy per token: k1 = −d, k2 = d²/2, k3 = e^d − d − 1. k1 and k3 are unbiased as
// values; as losses their gradients differ: E∇k1 = 0, E∇k2 = ∇KL(policy ‖ other), E∇k3 = ∇KL(other ‖ policy).
#pragma once

#include <ATen/core/Tensor.h>

namespace attune::algorithm {

at::Tensor kl_k1(const at::Tensor& logps, const at::Tensor& other_logps);
at::Tensor kl_k2(const at::Tensor& logps, const at::Tensor& other_logps);
at::Tensor kl_k3(const at::Tensor& logps, const at::Tensor& other_logps);

}  // namespace attune::algorithm
