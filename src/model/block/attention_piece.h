// One block of attention, forward and backward, on whichever device: the only place that knows kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/block/attention_plan.h"

namespace attune::model {

/// Softmax over the piece's keys only, and its logarithmic normaliser, to be merged with other pieces.
struct PieceOutput {
  at::Tensor out;  ///< [1, H, n, d], the type of the queries
  at::Tensor lse;  ///< [1, H, n], float32, or float64 for float64 queries
};

struct PieceGradients {
  at::Tensor query, key, value;  ///< [1, H, n, d], [1, K, m, d], [1, K, m, d]
};

/// @param query [1, H, n, d]. @param key, value [1, K, m, d], H a multiple of K. @param scale of the scores.
PieceOutput attend_piece(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionPiece& piece, double scale);

/// The exact gradient of this piece's share when `out` and `lse` are those of the *merged* softmax over all
/// pieces (the identity of ring attention, Liu et al. 2023, arXiv:2310.01889).
PieceGradients attend_piece_backward(const at::Tensor& gradient, const at::Tensor& query,
                                     const at::Tensor& key, const at::Tensor& value, const at::Tensor& out,
                                     const at::Tensor& lse, const AttentionPiece& piece, double scale);

/// The same with matrix products in bounded blocks, for devices without the fused kernel.
PieceOutput attend_piece_with_products(const at::Tensor& query, const at::Tensor& key,
                                       const at::Tensor& value, const AttentionPiece& piece, double scale);
PieceGradients attend_piece_backward_with_products(const at::Tensor& gradient, const at::Tensor& query,
                                                   const at::Tensor& key, const at::Tensor& value,
                                                   const at::Tensor& out, const at::Tensor& lse,
                                                   const AttentionPiece& piece, double scale);

}  // namespace attune::model
