// The transformer one token at a time: prompts are read once into a KV cache in which shared prefixes lie
// once, then each step computes one new token of every active sequence. Gives the numbers of hidden_states()
// to rounding.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/forest.h"
#include "model/decode/attention.h"
#include "model/decode/cache.h"
#include "model/transformer.h"

namespace attune::model {

/// One token to be computed.
struct DecodeRow {
  std::int32_t token = 0, position = 0;
  std::int32_t table = 0;              ///< ModelConfig::table_of of the sequence's length
  std::span<const KvBlockRef> blocks;  ///< of its sequence, up to the block that holds `position`
};

/// A view of a model for decoding. Weights are read in place and must outlive it; layers with an adapter are
/// merged once into copies, so a Decoder made before an update of the adapter is out of date after it. Keys,
/// values and attention are float32 whatever the model's dtype. No gradients.
class Decoder {
 public:
  Decoder(const TransformerWeights& weights, const ModelConfig& config, Weights which);

  const KvShape& shape() const { return shape_; }

  /// Reads all prompts of a forest, each segment once. result[i] belongs to sequence i.
  /// @param pool of blocks of shape()
  std::vector<ReadPrompt> read_prompts(const core::Forest& forest, const KvPool& pool) const;

  /// Computes one token of each row and stores its key and value. Rows of one call may lie in one sequence,
  /// in order.
  /// @return hidden states after the final norm [R, D]
  at::Tensor step(std::span<const DecodeRow> rows) const;

  /// Multiply-adds that one row of step() and logits() costs, attention aside.
  std::int64_t work_per_row() const { return work_per_row_; }

  /// Logits of hidden states [R, D]: [R, V] in float32.
  at::Tensor logits(const at::Tensor& hidden) const;

 private:
  struct DecodeLinear {
    at::Tensor weight, bias;
    at::Tensor operator()(const at::Tensor& x) const;
  };
  struct DecodeLayer {
    std::vector<DecodeLinear> qkv, up;
    DecodeLinear output, down;
  };
  struct Step;

  std::array<at::Tensor, 3> split_heads(std::size_t layer, const at::Tensor& x) const;
  AttentionShape attention_shape(std::size_t layer) const;
  static void rotate_rows(at::Tensor& heads, const RopeTables& rope);
  static void store_rows(const AttentionShape& shape, const Step& step, const at::Tensor& k,
                         const at::Tensor& v);
  static void attend_rows(const AttentionShape& shape, const Step& step, const at::Tensor& q,
                          at::Tensor& mixed);
  at::Tensor attention(const Step& step, std::size_t layer, const at::Tensor& x) const;
  at::Tensor mlp(std::size_t layer, const at::Tensor& x) const;

  const TransformerWeights& weights_;
  const ModelConfig& config_;
  KvShape shape_;
  std::int64_t work_per_row_ = 0;
  std::vector<DecodeLayer> layers_;
  DecodeLinear head_;
};

}  // namespace attune::model
