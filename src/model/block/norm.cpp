#include <ATen/ATen.h>

#include "model/block/fused.h"
#include "model/transformer.h"

namespace attune::model {

at::Tensor Norm::forward(const at::Tensor& x, const ModelConfig& config) const {
  if (config.norm == NormKind::kLayer) return at::layer_norm(x, {x.size(-1)}, weight, bias, config.norm_eps);
  return rms_norm(x, weight, config.norm_eps, config.norm_plus_one);
}

}  // namespace attune::model
