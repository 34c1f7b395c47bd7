// The transformer one token at a time: prompts are read once into a KV cache in which shared prefixes lie
// once, then each step computes one new token of every active sequence. Gives the numbers of hidden_states()
// to rounding: both run the same blocks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/forest.h"
#include "model/decode/attention.h"
#include "model/decode/cache.h"
#include "model/tap.h"
#include "model/transformer.h"

namespace attune::model {

/// One token to be computed.
struct DecodeRow {
  std::int32_t token = 0, position = 0;
  std::int32_t table = 0;              ///< ModelConfig::table_of of the sequence's length
  std::span<const KvBlockRef> blocks;  ///< of its sequence, up to the block that holds `position`
  std::uint64_t content = 0;           ///< content key of a token that comes as a vector; 0: the id says it
};

/// A view of a model for decoding. Weights are read in place and must outlive it; layers with an adapter are
/// merged once into copies, so a Decoder made before an update of the adapter is out of date after it. Keys,
/// values and attention are float32 whatever the model's dtype. No gradients.
class Decoder {
 public:
  /// @param tap sees every activation of read_prompts() and step(), may be null, outlives the decoder
  Decoder(const TransformerWeights& weights, const ModelConfig& config, Weights which, Tap* tap = nullptr);

  const KvShape& shape() const { return shape_; }

  /// Reads all prompts of a forest, each segment once. result[i] belongs to sequence i.
  /// @param pool of blocks of shape()
  std::vector<ReadPrompt> read_prompts(const StreamInput& input, const KvPool& pool) const;

  /// Computes one token of each row and stores its key and value. Rows of one call may lie in one sequence,
  /// in order.
  /// @param given what rows with a content key stand for
  /// @return hidden states after the final norm [R, D]
  at::Tensor step(std::span<const DecodeRow> rows, const GivenRows* given = nullptr) const;

  /// Multiply-adds that one row of step() and logits() costs, attention aside.
  std::int64_t work_per_row() const { return work_per_row_; }

  /// Logits of hidden states [R, D]: [R, V] in float32.
  at::Tensor logits(const at::Tensor& hidden) const;

 private:
  TransformerWeights weights_;  ///< without adapters
  const ModelConfig& config_;
  KvShape shape_;
  Tap* tap_;
  std::int64_t work_per_row_ = 0;
};

}  // namespace attune::model
