#include "model/block/attention/attention_piece.h"

#include <ATen/ATen.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>

#include <algorithm>
#include <optional>

#include "model/block/kernels.h"

namespace attune::model {
namespace {

/// Most scores of one block of the fallback, over all heads.
constexpr std::int64_t kBlockScores = std::int64_t{1} << 24;

/// The additive mask [n, m] of a band. Hidden entries are large and negative rather than -inf: a query
/// without any visible key in this piece then gets a finite normaliser, and weight exactly 0 when pieces are
/// merged.
template <class T>
void fill_mask(const at::Tensor& mask, const AttentionPiece& piece, std::int64_t from) {
  T* data = mask.mutable_data_ptr<T>();
  const std::int64_t rows = mask.size(0), columns = mask.size(1);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      data[r * columns + c] = piece.visible(from + r, c) ? T(0) : T(-1e30);
}

at::Tensor mask_rows(const AttentionPiece& piece, std::int64_t from, std::int64_t rows,
                     const at::Tensor& like) {
  const auto type = like.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor mask = at::empty({rows, piece.keys()}, at::TensorOptions().dtype(type));
  type == at::kDouble ? fill_mask<double>(mask, piece, from) : fill_mask<float>(mask, piece, from);
  if (like.scalar_type() == at::kHalf) mask.clamp_min_(-6e4);
  return mask.to(like.options());
}

std::optional<at::Tensor> kernel_mask(const AttentionPiece& piece, const at::Tensor& query) {
  if (piece.mask != AttentionPiece::Mask::kBand) return std::nullopt;
  return mask_rows(piece, 0, piece.queries(), query);
}

at::ScalarType wide(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

/// Rows [from, from + rows) of [1, H, n, d] as [K, G * rows, d], so that the G query heads of a key head
/// become rows.
at::Tensor grouped(const at::Tensor& x, std::int64_t key_heads, std::int64_t from, std::int64_t rows) {
  return x[0].narrow(1, from, rows).to(wide(x)).reshape({key_heads, -1, x.size(3)});
}

/// exp-ready scores [K, G * rows, m] of a block of queries.
struct ScoreBlock {
  at::Tensor scores;
  at::Tensor cap_slope;  ///< d capped / d uncapped, when asked for and there is a cap
};

ScoreBlock score_rows(const at::Tensor& query, const at::Tensor& key, const AttentionPiece& piece,
                      std::int64_t from, std::int64_t rows, const PieceScores& rule, bool with_slope) {
  ScoreBlock block{at::matmul(query, key.transpose(1, 2)).mul_(rule.scale), {}};
  if (rule.softcap > 0) {
    block.scores.div_(rule.softcap).tanh_();
    if (with_slope) block.cap_slope = (1 - block.scores.square());
    block.scores.mul_(rule.softcap);
  }
  const at::Tensor by_head = block.scores.view({key.size(0), -1, rows, key.size(1)});
  if (rule.slopes.defined()) {
    const at::Tensor distance = rule.positions.narrow(0, piece.q_begin + from, rows).unsqueeze(1) -
                                rule.positions.narrow(0, piece.k_begin, piece.keys()).unsqueeze(0);
    by_head.sub_(rule.slopes.view({key.size(0), -1, 1, 1}) * distance);
  }
  if (piece.mask != AttentionPiece::Mask::kFull) by_head.add_(mask_rows(piece, from, rows, query));
  return block;
}

/// The fused kernel knows processors, plain scores, and values as wide as keys.
bool kernel_goes(const at::Tensor& query, const at::Tensor& value, const PieceScores& scores) {
  return native_kernels(query) && scores.softcap == 0 && !scores.slopes.defined() &&
         query.size(3) == value.size(3);
}

std::int64_t block_rows(const at::Tensor& query, const at::Tensor& key) {
  return std::max<std::int64_t>(1, kBlockScores / (query.size(1) * key.size(2)));
}

}  // namespace

PieceOutput attend_piece(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionPiece& piece, const PieceScores& scores) {
  if (!kernel_goes(query, value, scores)) return attend_piece_with_products(query, key, value, piece, scores);
  const bool causal = piece.mask == AttentionPiece::Mask::kCausal;
  auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, causal,
                                                                    kernel_mask(piece, query), scores.scale);
  return {out, lse};
}

PieceGradients attend_piece_backward(const at::Tensor& gradient, const at::Tensor& query,
                                     const at::Tensor& key, const at::Tensor& value, const at::Tensor& out,
                                     const at::Tensor& lse, const AttentionPiece& piece,
                                     const PieceScores& scores) {
  if (!kernel_goes(query, value, scores))
    return attend_piece_backward_with_products(gradient, query, key, value, out, lse, piece, scores);
  const bool causal = piece.mask == AttentionPiece::Mask::kCausal;
  auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      gradient, query, key, value, out, lse, 0.0, causal, kernel_mask(piece, query), scores.scale);
  return {dq, dk, dv};
}

PieceOutput attend_piece_with_products(const at::Tensor& query, const at::Tensor& key,
                                       const at::Tensor& value, const AttentionPiece& piece,
                                       const PieceScores& scores) {
  const std::int64_t heads = query.size(1), count = query.size(2), key_heads = key.size(1);
  const at::Tensor keys = key[0].to(wide(key)), values = value[0].to(wide(value));
  at::Tensor out = at::empty({1, heads, count, value.size(3)}, query.options());
  at::Tensor lse = at::empty({1, heads, count}, query.options().dtype(wide(query)));
  const std::int64_t step = block_rows(query, key);
  for (std::int64_t from = 0; from < count; from += step) {
    const std::int64_t rows = std::min(step, count - from);
    at::Tensor weights =
        score_rows(grouped(query, key_heads, from, rows), keys, piece, from, rows, scores, false).scores;
    const at::Tensor normalizer = at::logsumexp(weights, {2}, true);
    weights.sub_(normalizer).exp_();
    out[0].narrow(1, from, rows).copy_(at::matmul(weights, values).view({heads, rows, -1}));
    lse[0].narrow(1, from, rows).copy_(normalizer.view({heads, rows}));
  }
  return {out, lse};
}

PieceGradients attend_piece_backward_with_products(const at::Tensor& gradient, const at::Tensor& query,
                                                   const at::Tensor& key, const at::Tensor& value,
                                                   const at::Tensor& out, const at::Tensor& lse,
                                                   const AttentionPiece& piece, const PieceScores& scores) {
  const std::int64_t heads = query.size(1), count = query.size(2), key_heads = key.size(1);
  const at::Tensor keys = key[0].to(wide(key)), values = value[0].to(wide(value));
  at::Tensor dq = at::empty({1, heads, count, query.size(3)}, query.options());
  at::Tensor dk = at::zeros_like(keys), dv = at::zeros_like(values);
  const std::int64_t step = block_rows(query, key);
  for (std::int64_t from = 0; from < count; from += step) {
    const std::int64_t rows = std::min(step, count - from);
    const auto part = [&](const at::Tensor& x) { return grouped(x, key_heads, from, rows); };
    const at::Tensor q = part(query), g = part(gradient);
    const ScoreBlock block = score_rows(q, keys, piece, from, rows, scores, true);
    at::Tensor weights = block.scores;
    weights.sub_(lse[0].narrow(1, from, rows).reshape({key_heads, -1, 1})).exp_();
    dv += at::matmul(weights.transpose(1, 2), g);
    const at::Tensor inner = (g * part(out)).sum(-1, true);
    at::Tensor ds = at::matmul(g, values.transpose(1, 2)).sub_(inner).mul_(weights).mul_(scores.scale);
    if (block.cap_slope.defined()) ds.mul_(block.cap_slope);
    dq[0].narrow(1, from, rows).copy_(at::matmul(ds, keys).view({heads, rows, -1}));
    dk += at::matmul(ds.transpose(1, 2), q);
  }
  return {dq, dk.to(key.scalar_type()).unsqueeze(0), dv.to(value.scalar_type()).unsqueeze(0)};
}

}  // namespace attune::model
