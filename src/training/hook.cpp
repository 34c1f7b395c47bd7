#include "training/hook.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace attune::training {

const at::Tensor& kept_tensor(const NamedTensors& tensors, const std::string& name, const at::Tensor& like,
                              const std::string& where) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.sizes() != like.sizes())
    core::fail_request("{}: {} is missing or has another shape; the checkpoint belongs to another run", where,
                       name);
  return found->second;
}

}  // namespace attune::training
