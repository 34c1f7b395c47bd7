// The attention of a decoding step: each row's key and value go into its sequence's cache, and its queries
// look at what lies there.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/block/attention/attention.h"
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
  /// Float32 all of them; the kernels of the processor, or their twins on any device.
  at::Tensor attend_natively(const AttentionShape& shape, const at::Tensor& query, const at::Tensor& key,
                             const at::Tensor& value) const;
  at::Tensor attend_by_library(const AttentionShape& shape, const at::Tensor& query, const at::Tensor& key,
                               const at::Tensor& value) const;

  KvShape shape_;
  std::span<const AttentionRow> rows_;
  std::int64_t keys_seen_ = 0;  ///< by all rows, windows aside
};

/// One row's key and value into its cache, the twin of store_key_value().
/// @param key [K, d], value [K, dv], on any device; the cache lies in the processor's memory
void store_with_copies(const AttentionShape& shape, const AttentionRow& row, const at::Tensor& key,
                       const at::Tensor& value);
/// One row of it made of library operations, the twin of attend(): all heads at once.
/// @param query [H, d] float32, on any device. @returns [H, dv] beside it
at::Tensor attend_with_products(const AttentionShape& shape, const AttentionRow& row,
                                const at::Tensor& query);

}  // namespace attune::model
