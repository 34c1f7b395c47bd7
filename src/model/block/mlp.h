// The MLPs that a layer may have: one entry of MlpKind each.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/transformer.h"

namespace attune::model {

/// @param x [R, D], normed. @returns [R, D]
at::Tensor mlp(const ModelConfig& config, const Layer& layer, const LinearUse& linears, const at::Tensor& x);

}  // namespace attune::model
