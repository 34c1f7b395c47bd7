// Fills a transformer from weight files, with messages that lead to the cause.
#pragma once

#include <cstdint>
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

/// The weight of a named head, [outputs, D]. @throws Error{kRequest} for any other shape.
at::Tensor load_head_weight(const StoredTensor& stored, const ModelConfig& config, at::ScalarType dtype);

/// @throws Error{kRequest} for a named head whose bias does not have one number for each row of its weight.
void check_head_biases(const TransformerWeights& weights, const std::string& where);

/// Fills a tensor with normal(0, deviation), element by element from (seed, record): the same on any number
/// of threads.
void fill_normal(const at::Tensor& tensor, double deviation, std::uint64_t seed, std::uint64_t record);

/// Collects what is missing and fails once, naming the first ones.
[[noreturn]] void fail_missing(const WeightFiles& files, const std::vector<std::string>& missing,
                               const std::string& config_path);

}  // namespace attune::model
