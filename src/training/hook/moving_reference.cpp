#include "training/hook/moving_reference.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace attune::training {
namespace {

constexpr const char* kReference = "reference.";  // prefix in checkpoints

}  // namespace

void ReferenceSync::after_update(AdamW& /*optimizer*/, std::int64_t update) {
  if (update % every_ == 0) reference_.move_towards(policy_, alpha_);
}

NamedTensors ReferenceSync::tensors() const {
  NamedTensors named;
  for (auto& [name, tensor] : reference_.named_weights()) named[kReference + name] = tensor;
  return named;
}

void ReferenceSync::restore(const NamedTensors& tensors, AdamW& /*optimizer*/, const std::string& where) {
  c10::NoGradGuard no_grad;
  for (auto& [name, weight] : reference_.named_weights())
    weight.copy_(kept_tensor(tensors, kReference + name, weight, where));
}

}  // namespace attune::training
