// Fills a transformer from weight files, with messages that lead to the cause.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "model/files/load_report.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"

namespace attune::model {

/// Which stored tensor fills which slot.
struct WeightPlan {
  struct Entry {
    TensorSlot slot;
    const StoredTensor* stored;
  };
  std::vector<Entry> entries;
  std::set<std::string> heads;  ///< the named heads that are read
  LoadReport report;
};

/// Finds every tensor that the configuration asks for: under its name, or without the body's prefix (GPT-2
/// files come both ways). Decides whether embedding and head are tied: they are stored once, under either
/// name; a file without a head ties; two different ones are not tied.
/// @param weights a skeleton, which the slots point into
/// @param heads named heads that are wanted; a classifier's is read unasked
/// @throws Error{kRequest} naming the first tensors that are missing
WeightPlan plan_weights(TransformerWeights& weights, ModelConfig& config, const WeightFiles& files,
                        const std::string& config_path, const std::set<std::string>& heads);

/// @throws Error{kRequest}: a shape that config.json contradicts (names the tensor and the keys, and says
/// where a key is missing and a class default stands in).
void check_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                const std::string& config_path);

/// Loads one tensor into memory orientation. @throws Error{kRequest} as check_slot() does, and for NaN
/// values.
at::Tensor load_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                     const std::string& config_path, at::ScalarType dtype);

/// Looks at all that load_slot() would read, and gives a tensor of its shape and type that takes no memory.
/// @throws Error{kRequest} as load_slot() does
at::Tensor look_at_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                        const std::string& config_path, at::ScalarType dtype);

/// The weight of a named head, [outputs, D]. @throws Error{kRequest} for any other shape.
at::Tensor load_head_weight(const StoredTensor& stored, const ModelConfig& config, at::ScalarType dtype);

/// @throws Error{kRequest} for a named head whose bias does not have one number for each row of its weight.
void check_head_biases(const TransformerWeights& weights, const std::string& where);

/// Fills a tensor with normal(0, deviation), element by element from (seed, record): the same on any number
/// of threads.
void fill_normal(const at::Tensor& tensor, double deviation, std::uint64_t seed, std::uint64_t record);

}  // namespace attune::model
