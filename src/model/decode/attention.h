// The KV cache's blocks and the attention of single rows over them: the inner loop of decoding. Plain
// pointers, no tensors.
#pragma once

#include <cstdint>
#include <span>

namespace attune::model {

/// Positions per block: one AVX-512 register of scores.
inline constexpr std::int32_t kBlockTokens = 16;

/// What one block holds.
struct KvShape {
  std::int64_t layers = 0, kv_heads = 0, head_dim = 0;
  std::int64_t value_dim = 0;  ///< width of a value; head_dim is that of a key
  /// Floats of one layer's keys and of its values in a block.
  std::int64_t key_floats() const { return kv_heads * head_dim * kBlockTokens; }
  std::int64_t layer_floats() const { return key_floats() + kv_heads * value_dim * kBlockTokens; }
  /// Floats of a block: for each layer keys [kv_heads, head_dim, kBlockTokens], then values
  /// [kv_heads, kBlockTokens, value_dim]. Keys lie with the tokens innermost so that the scores of a block
  /// are computed in parallel lanes without a horizontal sum.
  std::int64_t block_floats() const { return layers * layer_floats(); }
};

/// A block as a sequence sees it: positions [first_position, first_position + count).
struct KvBlockRef {
  float* data = nullptr;
  std::int32_t first_position = 0, count = 0;
};

/// The attention of one layer for one token.
struct AttentionRow {
  std::span<const KvBlockRef>
      blocks;                 ///< in order of position; the last one holds `position` (its count includes it)
  std::int32_t position = 0;  ///< later positions of the last block are not seen
};

struct AttentionShape {
  KvShape kv;
  std::int64_t layer = 0, heads = 0;
  std::int64_t window = 0;  ///< 0: everything before; else key j is visible to query i iff i - j < window
  float scale = 1;
  float softcap = 0;                 ///< scores become softcap * tanh(score / softcap); 0: none
  std::span<const double> slopes{};  ///< [heads] the score falls by slope * distance; empty: none
};

/// Stores one token's key [kv_heads, head_dim] and value [kv_heads, value_dim] at its place in the last
/// block.
void store_key_value(const AttentionShape& shape, const AttentionRow& row, const float* key,
                     const float* value);

/// out = softmax(score(q, K)) V for the query heads that share one key/value head.
/// @param query  [heads, head_dim] of this row; head h reads key/value head h / (heads / kv_heads)
/// @param out    [heads, value_dim]; only this key/value head's query heads are written
void attend(const AttentionShape& shape, const AttentionRow& row, std::int64_t kv_head, const float* query,
            float* out);

}  // namespace attune::model
