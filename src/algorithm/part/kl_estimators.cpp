#include "algorithm/part/kl_estimators.h"

#include <ATen/ATen.h>

namespace attune::algorithm {

at::Tensor kl_k1(const at::Tensor& logps, const at::Tensor& other_logps) { return logps - other_logps; }

at::Tensor kl_k2(const at::Tensor& logps, const at::Tensor& other_logps) {
  return (logps - other_logps).square() / 2;
}

at::Tensor kl_k3(const at::Tensor& logps, const at::Tensor& other_logps) {
  const at::Tensor d = other_logps - logps;
  return d.exp() - d - 1;
}

}  // namespace attune::algorithm
