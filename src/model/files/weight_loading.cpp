#include "model/files/weight_loading.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <sstream>

#include "core/error.h"
#include "core/random.h"
#include "core/threads.h"

namespace attune::model {
namespace {

/// "num_key_value_heads (missing in config.json: the class default applies) * head_dim = 16".
std::string keys_text(const std::string& keys, const ModelConfig& config) {
  std::istringstream words(keys);
  std::string out, word;
  while (words >> word) {
    out += (out.empty() ? "" : " ") + word;
    if (word.find('_') == std::string::npos) continue;
    const auto found = config.raw.find(word);
    if (found == config.raw.end() || found->is_null())
      out += " (missing in config.json, so the class default applies)";
    else
      out += " (" + core::to_line(*found).substr(0, 40) + ")";
  }
  return out;
}

}  // namespace

void check_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                const std::string& config_path) {
  const auto expected = slot.stored_sizes();
  if (stored.shape == expected) return;
  std::string causes;
  for (std::size_t i = 0; i < slot.shape.size(); ++i) {
    const std::size_t stored_at = slot.transposed ? slot.shape.size() - 1 - i : i;
    if (stored.shape.size() == expected.size() && stored.shape[stored_at] == expected[stored_at]) continue;
    causes += fmt::format("{}{} comes from {}", causes.empty() ? "" : "; ", slot.shape[i].size,
                          keys_text(slot.shape[i].keys, config));
  }
  core::fail_request("{}: tensor '{}' has shape {}, but {} asks for {}: {}", stored.file, stored.name,
                     shape_text(stored.shape), config_path, shape_text(expected), causes);
}

at::Tensor load_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                     const std::string& config_path, at::ScalarType dtype) {
  check_slot(stored, slot, config, config_path);
  at::Tensor value = stored.load(dtype);
  return slot.transposed ? value.t().contiguous() : value;
}

at::Tensor look_at_slot(const StoredTensor& stored, const TensorSlot& slot, const ModelConfig& config,
                        const std::string& config_path, at::ScalarType dtype) {
  check_slot(stored, slot, config, config_path);
  stored.check(dtype);
  return at::zeros({1}, at::TensorOptions().dtype(dtype)).expand(slot.sizes());
}

at::Tensor load_head_weight(const StoredTensor& stored, const ModelConfig& config, at::ScalarType dtype) {
  if (stored.shape.size() != 2 || stored.shape[1] != config.hidden_size)
    core::fail_request("{}: tensor '{}' has shape {}: such a head is [outputs, {} = {}]", stored.file,
                       stored.name, shape_text(stored.shape), config.keys.hidden, config.hidden_size);
  return stored.load(dtype);
}

void check_head_biases(const TransformerWeights& weights, const std::string& where) {
  for (const auto& [name, head] : weights.named_heads) {
    if (!head.bias.defined()) continue;
    const std::int64_t outputs = head.weight.defined() ? head.weight.size(0) : 0;
    if (head.bias.dim() != 1 || head.bias.size(0) != outputs)
      core::fail_request("{}: tensor '{}.bias' has shape {}, but its weight has {} outputs", where, head.path,
                         shape_text(head.bias.sizes()), outputs);
  }
}

void fill_normal(const at::Tensor& tensor, double deviation, std::uint64_t seed, std::uint64_t record) {
  at::Tensor values = at::empty(tensor.sizes(), at::kDouble);
  double* data = values.mutable_data_ptr<double>();
  core::parallel_for(values.numel(), at::get_num_threads(),
                     [&](std::int64_t, std::int64_t from, std::int64_t to) {
                       for (std::int64_t i = from; i < to; ++i)
                         data[i] = deviation * core::normal({.seed = seed,
                                                             .purpose = core::Purpose::kInit,
                                                             .record = record,
                                                             .token = static_cast<std::uint64_t>(i)});
                     });
  tensor.copy_(values);
}

}  // namespace attune::model
