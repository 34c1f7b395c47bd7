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
  /// Floats of one layer's keys (or values) in a block.
  std::int64_t half_layer() const { return kv_heads * head_dim * kBlockTokens; }
  /// Floats of a block: for each layer keys [kv_heads, head_dim, kBlockTokens], then values
  /// [kv_heads, kBlockTokens, head_dim]. Keys lie with the tokens innermost so that the scores of a block are
  /// computed in parallel lanes without a horizontal sum.
  std::int64_t block_floats() const { return 2 * layers * half_layer(); }
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
};

/// Stores one token's key and value [kv_heads, head_dim] at its place in the last block.
void store_key_value(const AttentionShape& shape, const AttentionRow& row, const float* key,
                     const float* value);

/// out = softmax(scale * q Kᵀ) V for the query heads that share one key/value head.
/// @param query  [heads, head_dim] of this row; head h reads key/value head h / (heads / kv_heads)
/// @param out    [heads, head_dim]; only this key/value head's query heads are written
void attend(const AttentionShape& shape, const AttentionRow& row, std::int64_t kv_head, const float* query,
            float* out);

/// Rotates the first 2 * half dimensions of each head in place: (x, y) → (x cos - y sin, y cos + x sin) with
/// y = x[i + half] (half-split, as Hugging Face stores Llama weights).
void rotate_heads(float* heads, std::int64_t count, std::int64_t head_dim, const float* cos, const float* sin,
                  std::int64_t half);

}  // namespace attune::model
