#include "model/transformer.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.h"
#include "model/block/attention/forest_attention.h"
#include "model/block/block.h"
#include "model/block/dropout.h"
#include "model/files/tensor_slots.h"

namespace attune::model {
namespace {

void check_lengths(const ModelConfig& config, const core::Forest& forest) {
  if (!config.learned_positions) return;
  for (const auto length : forest.sequence_lengths)
    if (length > config.max_positions)
      core::fail_request(
          "a sequence of {} tokens is longer than the model's context ({} = {}): set data.max_length", length,
          config.keys.positions, config.max_positions);
}

}  // namespace

at::Tensor through_layers(const TransformerWeights& weights, const ModelConfig& config, at::Tensor x,
                          Attention& attention, const LinearUse& linears, Tap* tap) {
  if (tap) tap->at(Site::kEmbedding, -1, x);
  for (std::size_t i = 0; i < weights.layers.size(); ++i)
    x = Block(config, weights.layers[i], i, linears).forward(x, attention, tap);
  x = weights.final_norm.forward(x, config);
  if (tap) tap->at(Site::kFinalNorm, static_cast<std::int64_t>(weights.layers.size()), x);
  return x;
}

at::Tensor hidden_states(const TransformerWeights& weights, const ModelConfig& config,
                         const StreamInput& input, Weights which, std::span<const std::uint64_t> dropout_keys,
                         Tap* tap) {
  const core::Forest& forest = input.forest;
  check_lengths(config, forest);
  std::optional<AdapterDropout> dropout;
  if (!dropout_keys.empty()) dropout = make_dropout(dropout_keys, forest);
  const bool starts = which == Weights::kReference && weights.start;
  const TransformerWeights& read = starts ? *weights.start : weights;
  const at::Tensor x =
      embed(read, config, {forest.tokens, forest.positions, forest.content, input.given}, which);
  ForestAttention attention(config, forest, x.detach());
  return through_layers(read, config, x, attention, {which, dropout ? &*dropout : nullptr}, tap);
}

TransformerWeights merged_weights(const TransformerWeights& weights, Weights which) {
  if (which == Weights::kReference && weights.start) return merged_weights(*weights.start, which);
  TransformerWeights merged = weights;
  merged.embedding = merged_embedding(weights, which);
  merged.lookup.adapter = merged.lookup.reference_adapter = std::nullopt;
  merged.lookup.unmerged.reset();
  const auto merge = [which](Linear& linear) {
    Linear plain;
    plain.path = linear.path;
    plain.weight = linear.merged(which);
    plain.bias = linear.merged_bias(which);
    linear = std::move(plain);
  };
  for_each_linear(merged, merge);
  if (merged.head.weight.defined()) merge(merged.head);
  return merged;
}

}  // namespace attune::model
