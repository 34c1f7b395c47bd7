// Elementwise parts of the transformer with hand-written gradients: fewer passes over memory than op by op.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/config.h"

namespace attune::model {

/// weight * x / sqrt(mean(x²) + eps) over the last dimension (Zhang & Sennrich 2019, arXiv:1910.07467); half
/// precisions are normalised in float32 and rounded before the weight, as transformers does. `plus_one`: the
/// factor is 1 + weight.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one);

at::Tensor activate(const at::Tensor& x, Activation kind);

/// activate(gate) * up.
at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, Activation kind);

}  // namespace attune::model
