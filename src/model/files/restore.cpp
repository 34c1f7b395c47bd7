// Reading a checkpoint back into the model that wrote it, and the model's fingerprint.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"
#include "core/files/files.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"

namespace attune::model {
namespace {

void copy_stored(const WeightFiles& files, const std::string& name, const at::Tensor& into, bool transposed) {
  const StoredTensor* stored = files.find(name);
  if (!stored)
    core::fail_request("{}: tensor '{}' is missing: this is no checkpoint of the run", files.where(), name);
  const at::Tensor value = stored->load(into.scalar_type());
  const at::Tensor oriented = transposed && value.dim() == 2 ? value.t() : value;
  if (!oriented.sizes().equals(into.sizes()))
    core::fail_request("{}: tensor '{}' has shape {}, the run has {}", files.where(), name,
                       shape_text(stored->shape), shape_text(into.sizes()));
  at::Tensor(into.detach()).copy_(oriented);
}

}  // namespace

void Model::restore(const std::string& folder) {
  const c10::NoGradGuard no_grad;
  if (has_adapter()) {
    const WeightFiles files(folder, "adapter_model.safetensors");
    for (const auto& [name, tensor] : adapter_tensors()) copy_stored(files, name, tensor, false);
    return;
  }
  const WeightFiles files(folder, "model.safetensors");
  for (const TensorSlot& slot : tensor_slots(weights_, config_)) {
    const bool is_head = slot.place == &weights_.head.weight || slot.place == &weights_.head.bias;
    if (is_head && is_reward_model()) continue;
    copy_stored(files, slot.name, *slot.place, slot.transposed);
  }
  for (const auto& [name, tensor] : head_tensors(weights_)) copy_stored(files, name, tensor, false);
}

std::uint64_t Model::fingerprint() const {
  std::uint64_t print = core::fingerprint(core::to_line(config_.raw));
  const auto add = [&](const at::Tensor& tensor) {
    const at::Tensor value = tensor.detach().to(at::kCPU).contiguous();
    print = core::fingerprint({static_cast<const char*>(value.const_data_ptr()), value.nbytes()}, print);
  };
  TransformerWeights weights = weights_;
  for (const TensorSlot& slot : tensor_slots(weights, config_))
    if (slot.place->defined()) add(*slot.place);
  for_each_adaptable(weights, [&](const Linear& linear) {
    if (!linear.adapter) return;
    for (const at::Tensor& tensor : linear.adapter->tensors) add(tensor);
    print = core::fingerprint(fmt::format("{}:{}", linear.path, linear.adapter->scale), print);
  });
  for (const auto& [name, tensor] : head_tensors(weights)) add(tensor);
  return print;
}

}  // namespace attune::model
