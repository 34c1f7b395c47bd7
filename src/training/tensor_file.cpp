#include "training/tensor_file.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/files/safetensors.h"

namespace attune::training {

void save_tensors(const std::string& path, const NamedTensors& tensors) {
  std::vector<model::TensorToWrite> list;
  for (const auto& [name, tensor] : tensors)
    list.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), [tensor = tensor] { return tensor; }});
  model::write_safetensors(path, std::move(list));
}

NamedTensors load_tensors(const std::string& path) {
  NamedTensors tensors;
  const model::SafetensorsFile file(path);
  for (const auto& stored : file.tensors()) {
    const auto dtype = model::scalar_type_of(stored.dtype);
    if (!dtype)
      core::fail_request("{}: tensor {} has type {}, which is not known", path, stored.name, stored.dtype);
    tensors[stored.name] = stored.load(*dtype);
  }
  return tensors;
}

const at::Tensor& kept_tensor(const NamedTensors& tensors, const std::string& name, const at::Tensor& like,
                              const std::string& where) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.sizes() != like.sizes())
    core::fail_request("{}: {} is missing or has another shape; the checkpoint belongs to another run", where,
                       name);
  return found->second;
}

}  // namespace attune::training
