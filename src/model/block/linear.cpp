// Linear layers with their adapters.
#include <ATen/ATen.h>

#include "model/block/dropout.h"
#include "model/transformer.h"

namespace attune::model {

const LayerAdapter* Linear::acting_adapter(Weights weights) const {
  const bool policy = weights == Weights::kPolicy;
  const auto& chosen = policy ? adapter : reference_adapter;
  return chosen && !(policy && unmerged) ? &*chosen : nullptr;
}

Affine Linear::plain(Weights weights) const {
  return weights == Weights::kReference && unmerged ? *unmerged : Affine{weight, bias};
}

std::vector<AdapterTensor> Linear::adapter_parts(const Adapter& kind) const {
  return lookup ? kind.lookup_tensors() : kind.tensors();
}

at::Tensor Linear::forward(const at::Tensor& x, Weights weights, const AdapterDropout* dropout) const {
  const LayerAdapter* active = acting_adapter(weights);
  const Affine base = plain(weights);
  if (!active) return at::linear(x, base.weight, base.bias);
  const bool drops = dropout && active->dropout > 0;
  const at::Tensor dropped = drops ? x * dropout_mask(*dropout, path, active->dropout, x.size(-1), x) : x;
  return active->kind->forward(*active, base, x, dropped);
}

at::Tensor Linear::merged(Weights weights) const {
  const LayerAdapter* active = acting_adapter(weights);
  const Affine base = plain(weights);
  return active ? active->kind->merged_weight(*active, base) : base.weight;
}

at::Tensor Linear::merged_bias(Weights weights) const {
  const LayerAdapter* active = acting_adapter(weights);
  const Affine base = plain(weights);
  return active ? active->kind->merged_bias(*active, base) : base.bias;
}

}  // namespace attune::model
