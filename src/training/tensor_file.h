// Named tensors in one safetensors file: optimiser moments, caches.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace attune::training {

using NamedTensors = std::map<std::string, at::Tensor>;

/// Writes atomically, each tensor in its own dtype.
void save_tensors(const std::string& path, const NamedTensors& tensors);
/// Reads everything, in the stored dtypes. @throws Error{kRequest} on a file that is missing or damaged.
NamedTensors load_tensors(const std::string& path);
/// The tensor of that name and shape. @throws Error{kRequest} when `where` has none
const at::Tensor& kept_tensor(const NamedTensors& tensors, const std::string& name, const at::Tensor& like,
                              const std::string& where);

}  // namespace attune::training
