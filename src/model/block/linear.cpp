// Linear layers with their low-rank adapters.
#include <ATen/ATen.h>

#include "model/adapter/dropout.h"
#include "model/transformer.h"

namespace attune::model {
namespace {

at::Tensor low_rank(const at::Tensor& x, const Lora& lora) {
  return at::linear(at::linear(x, lora.a.to(x.scalar_type())), lora.b.to(x.scalar_type())).mul(lora.scale);
}

/// scale * B A in float32 (float64 for float64 models).
at::Tensor update_of(const Lora& lora) {
  const auto wide = lora.a.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::matmul(lora.b.to(wide), lora.a.to(wide)).mul(lora.scale);
}

}  // namespace

at::Tensor Linear::forward(const at::Tensor& x, Weights weights, const AdapterDropout* dropout) const {
  at::Tensor out = at::linear(x, weight, bias);
  const bool policy = weights == Weights::kPolicy;
  if (policy && adapter && !adapter_merged) {
    const bool drops = dropout && adapter->dropout > 0;
    const at::Tensor in = drops ? x * dropout_mask(*dropout, path, adapter->dropout, x.size(-1), x) : x;
    return out + low_rank(in, *adapter);
  }
  if (policy) return out;
  if (adapter && adapter_merged) out = out - low_rank(x, *adapter);
  if (reference_adapter) out = out + low_rank(x, *reference_adapter);
  return out;
}

at::Tensor Linear::merged(Weights weights) const {
  const bool policy = weights == Weights::kPolicy;
  at::Tensor update;
  const auto add = [&](const at::Tensor& part) { update = update.defined() ? update + part : part; };
  if (policy && adapter && !adapter_merged) add(update_of(*adapter));
  if (!policy && adapter && adapter_merged) add(-update_of(*adapter));
  if (!policy && reference_adapter) add(update_of(*reference_adapter));
  if (!update.defined()) return weight;
  return (weight.to(update.scalar_type()) + update).to(weight.scalar_type());
}

}  // namespace attune::model
