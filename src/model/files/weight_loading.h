// Fills a transformer from weight files, with messages that lead to the cause.
#pragma once

#include <string>

#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"

namespace attune::model {

/// The stored tensor of a slot: under its name, or without the body's prefix (GPT-2 files come both ways);
/// else null.
const StoredTensor* find_stored(const WeightFiles& files, const std::string& name,
                                const std::string& body_prefix);

/// Loads one tensor into memory orientation. @throws Error{kRequest}: a shape that config.json contradicts
/// (names the tensor and the keys, and says where a key is missing and a class default stands in), NaN
/// values.
at::Tensor load_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                     const std::string& config_path, at::ScalarType dtype);

/// Collects what is missing and fails once, naming the first ones.
[[noreturn]] void fail_missing(const WeightFiles& files, const std::vector<std::string>& missing,
                               const std::string& config_path);

}  // namespace attune::model
