// Linear layers with their adapters.
#include <ATen/ATen.h>

#include "model/block/dropout.h"
#include "model/transformer.h"

namespace attune::model {
namespace {

/// The adapter that acts beside the layer's plain weight; null where none does, or it is in the weight
/// already.
const LayerAdapter* acting_adapter(const Linear& linear, Weights weights) {
  const bool policy = weights == Weights::kPolicy;
  const auto& adapter = policy ? linear.adapter : linear.reference_adapter;
  return adapter && !(policy && linear.unmerged) ? &*adapter : nullptr;
}

/// What the acting adapter stands beside.
Affine base_of(const Linear& linear, Weights weights) {
  return weights == Weights::kReference && linear.unmerged ? *linear.unmerged
                                                           : Affine{linear.weight, linear.bias};
}

}  // namespace

at::Tensor Linear::forward(const at::Tensor& x, Weights weights, const AdapterDropout* dropout) const {
  const LayerAdapter* active = acting_adapter(*this, weights);
  const Affine base = base_of(*this, weights);
  if (!active) return at::linear(x, base.weight, base.bias);
  const bool drops = dropout && active->dropout > 0;
  const at::Tensor dropped = drops ? x * dropout_mask(*dropout, path, active->dropout, x.size(-1), x) : x;
  return active->kind->forward(*active, base, x, dropped);
}

at::Tensor Linear::merged(Weights weights) const {
  const LayerAdapter* active = acting_adapter(*this, weights);
  const Affine base = base_of(*this, weights);
  return active ? active->kind->merged_weight(*active, base) : base.weight;
}

at::Tensor Linear::merged_bias(Weights weights) const {
  const LayerAdapter* active = acting_adapter(*this, weights);
  const Affine base = base_of(*this, weights);
  return active ? active->kind->merged_bias(*active, base) : base.bias;
}

}  // namespace attune::model
