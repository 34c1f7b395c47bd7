// The attention of a decoding step: each row's key and value go into its sequence's cache, and its queries
// look at what lies there.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/block/attention.h"
#include "model/decode/attention.h"

namespace attune::model {

class CachedAttention final : public Attention {
 public:
  /// @param rows one per row of the pass, in the order in which their keys are stored; must outlive it
  /// @param ropes the tables of the rows (rope_tables)
  CachedAttention(const KvShape& shape, std::span<const AttentionRow> rows, std::vector<RopeTables> ropes);
  /// Keys, values and the softmax are float32 whatever the model's type.
  at::Tensor attend(std::size_t layer, const ScoreRule& rule, const at::Tensor& query, const at::Tensor& key,
                    const at::Tensor& value) override;

 private:
  KvShape shape_;
  std::span<const AttentionRow> rows_;
  std::int64_t keys_seen_ = 0;  ///< by all rows, windows aside
};

/// One row of it made of library operations, the twin of attend(): all heads at once.
/// @param query [H, d] float32. @returns [H, dv]
at::Tensor attend_with_products(const AttentionShape& shape, const AttentionRow& row,
                                const at::Tensor& query);

}  // namespace attune::model
