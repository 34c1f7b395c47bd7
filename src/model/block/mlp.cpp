#include "model/block/mlp.h"

#include <ATen/ATen.h>

#include "model/block/fused.h"

namespace attune::model {
namespace {

at::Tensor gated_mlp(const ModelConfig& config, const Layer& layer, const LinearUse& linears,
                     const at::Tensor& x) {
  const at::Tensor first = linears(layer.up[0], x);
  if (!config.fused_gate_up)
    return linears(layer.down, gated(first, linears(layer.up[1], x), config.activation));
  const auto halves = first.chunk(2, 1);
  return linears(layer.down, gated(halves[0], halves[1], config.activation));
}

}  // namespace

at::Tensor mlp(const ModelConfig& config, const Layer& layer, const LinearUse& linears, const at::Tensor& x) {
  switch (layer.mlp) {
    case MlpKind::kGated:
      return gated_mlp(config, layer, linears, x);
    case MlpKind::kPlain:
      return linears(layer.down, activate(linears(layer.up[0], x), config.activation));
  }
  return x;
}

}  // namespace attune::model
