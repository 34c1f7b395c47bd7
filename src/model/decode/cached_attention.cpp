#include "model/decode/cached_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/threads.h"
#include "model/block/kernels.h"

namespace attune::model {
namespace {

/// Multiply-adds of attention for which starting another thread pays.
constexpr std::int64_t kWorkPerThread = std::int64_t{1} << 21;

void store_rows(const AttentionShape& shape, std::span<const AttentionRow> rows, const at::Tensor& key,
                const at::Tensor& value) {
  const auto* keys = key.const_data_ptr<float>();
  const auto* values = value.const_data_ptr<float>();
  for (const AttentionRow& row : rows) {
    store_key_value(shape, row, keys, values);
    keys += key.size(1) * key.size(2);
    values += value.size(1) * value.size(2);
  }
}

/// The blocks of a row as one tensor: [blocks, floats], from `offset` on. A copy, in order of position.
at::Tensor gathered(const AttentionRow& row, std::int64_t offset, std::int64_t floats, at::Device device) {
  std::vector<at::Tensor> parts;
  for (const KvBlockRef& block : row.blocks)
    parts.push_back(at::from_blob(block.data + offset, {1, floats}, at::kFloat));
  return at::cat(parts).to(device);
}

/// How far behind the row each lane of its blocks lies: [blocks * kBlockTokens]; -1 where there is no key.
at::Tensor lane_distances(const AttentionRow& row, at::Device device) {
  std::vector<std::int64_t> distances;
  for (const KvBlockRef& block : row.blocks)
    for (std::int64_t j = 0; j < kBlockTokens; ++j)
      distances.push_back(j < block.count ? row.position - (block.first_position + j) : -1);
  return at::tensor(distances, at::kLong).to(device);
}

}  // namespace

CachedAttention::CachedAttention(const KvShape& shape, std::span<const AttentionRow> rows,
                                 std::vector<RopeTables> ropes)
    : Attention(std::move(ropes)), shape_(shape), rows_(rows) {
  for (const AttentionRow& row : rows) keys_seen_ += row.position + 1;
}

at::Tensor CachedAttention::attend(std::size_t layer, const ScoreRule& rule, const at::Tensor& query,
                                   const at::Tensor& key, const at::Tensor& value) {
  const AttentionShape shape{shape_,      static_cast<std::int64_t>(layer), query.size(1),
                             rule.window, static_cast<float>(rule.scale),   static_cast<float>(rule.softcap),
                             rule.slopes};
  const at::Tensor q = query.to(at::kFloat), k = key.to(at::kFloat), v = value.to(at::kFloat);
  const at::Tensor mixed = native_kernels(query)
                               ? attend_natively(shape, q.contiguous(), k.contiguous(), v.contiguous())
                               : attend_by_library(shape, q, k, v);
  return mixed.to(query.scalar_type());
}

at::Tensor CachedAttention::attend_by_library(const AttentionShape& shape, const at::Tensor& query,
                                              const at::Tensor& key, const at::Tensor& value) const {
  for (std::size_t r = 0; r < rows_.size(); ++r)
    store_with_copies(shape, rows_[r], key[static_cast<std::int64_t>(r)],
                      value[static_cast<std::int64_t>(r)]);
  std::vector<at::Tensor> mixed;
  for (std::size_t r = 0; r < rows_.size(); ++r)
    mixed.push_back(attend_with_products(shape, rows_[r], query[static_cast<std::int64_t>(r)]).flatten());
  return at::stack(mixed);
}

at::Tensor CachedAttention::attend_natively(const AttentionShape& shape, const at::Tensor& q,
                                            const at::Tensor& key, const at::Tensor& value) const {
  const std::int64_t count = q.size(0), heads = q.size(1), width = q.size(2);
  store_rows(shape, rows_, key, value);
  at::Tensor mixed = at::empty({count, heads * shape_.value_dim}, at::kFloat);
  const auto* queries = q.const_data_ptr<float>();
  auto* out = mixed.mutable_data_ptr<float>();
  const std::int64_t kv_heads = shape_.kv_heads;
  const auto part = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / kv_heads;
      model::attend(shape, rows_[static_cast<std::size_t>(row)], i % kv_heads, queries + row * heads * width,
                    out + row * heads * shape_.value_dim);
    }
  };
  const std::int64_t workers = keys_seen_ * heads * width / kWorkPerThread;
  core::parallel_for(count * kv_heads, std::clamp<std::int64_t>(workers, 1, at::get_num_threads()), part);
  return mixed;
}

void store_with_copies(const AttentionShape& shape, const AttentionRow& row, const at::Tensor& key,
                       const at::Tensor& value) {
  const KvShape& kv = shape.kv;
  const KvBlockRef& block = row.blocks.back();
  const std::int64_t lane = row.position - block.first_position;
  float* keys = block.data + shape.layer * kv.layer_floats();
  at::from_blob(keys, {kv.kv_heads, kv.head_dim, kBlockTokens}, at::kFloat).select(2, lane).copy_(key);
  at::from_blob(keys + kv.key_floats(), {kv.kv_heads, kBlockTokens, kv.value_dim}, at::kFloat)
      .select(1, lane)
      .copy_(value);
}

at::Tensor attend_with_products(const AttentionShape& shape, const AttentionRow& row,
                                const at::Tensor& query) {
  const KvShape& kv = shape.kv;
  const auto blocks = static_cast<std::int64_t>(row.blocks.size());
  const std::int64_t lanes = blocks * kBlockTokens, at_layer = shape.layer * kv.layer_floats();
  const at::Device device = query.device();
  const at::Tensor keys = gathered(row, at_layer, kv.key_floats(), device)
                              .view({blocks, kv.kv_heads, kv.head_dim, kBlockTokens})
                              .permute({1, 2, 0, 3})
                              .reshape({kv.kv_heads, kv.head_dim, lanes});
  const at::Tensor values =
      gathered(row, at_layer + kv.key_floats(), kv.layer_floats() - kv.key_floats(), device)
          .view({blocks, kv.kv_heads, kBlockTokens, kv.value_dim})
          .transpose(0, 1)
          .reshape({kv.kv_heads, lanes, kv.value_dim});
  at::Tensor scores = at::matmul(query.view({kv.kv_heads, -1, kv.head_dim}), keys) * shape.scale;
  if (shape.softcap > 0) scores = at::tanh(scores / shape.softcap) * shape.softcap;
  const at::Tensor distance = lane_distances(row, device);
  if (!shape.slopes.empty()) {
    const at::Tensor slopes =
        at::tensor(at::ArrayRef<double>(shape.slopes.data(), shape.slopes.size())).to(device);
    scores = scores - (slopes.view({kv.kv_heads, -1, 1}) * distance).to(at::kFloat);
  }
  at::Tensor hidden = distance < 0;
  if (shape.window > 0) hidden = hidden | (distance >= shape.window);
  scores.masked_fill_(hidden, -std::numeric_limits<float>::infinity());
  return at::matmul(at::softmax(scores, -1), values).reshape({shape.heads, kv.value_dim});
}

}  // namespace attune::model
