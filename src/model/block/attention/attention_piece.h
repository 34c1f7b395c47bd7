// One block of attention, forward and backward, on whichever device: the only place that knows kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/block/attention/attention_plan.h"

namespace attune::model {

/// From products to scores (ScoreRule), as tensors on the device of the pass.
struct PieceScores {
  double scale = 1, softcap = 0;
  at::Tensor slopes{};  ///< [H] or undefined; float32, or float64 for float64 queries
  at::Tensor
      positions{};  ///< [T] of the stream that the piece's ranges index, of the same type; goes with slopes
};

/// Softmax over the piece's keys only, and its logarithmic normaliser, to be merged with other pieces.
struct PieceOutput {
  at::Tensor out;  ///< [1, H, n, dv], the type of the queries
  at::Tensor lse;  ///< [1, H, n], float32, or float64 for float64 queries
};

struct PieceGradients {
  at::Tensor query, key, value;  ///< [1, H, n, d], [1, K, m, d], [1, K, m, dv]
};

/// @param query [1, H, n, d]. @param key [1, K, m, d], value [1, K, m, dv], H a multiple of K.
PieceOutput attend_piece(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionPiece& piece, const PieceScores& scores);

/// The exact gradient of this piece's share when `out` and `lse` are those of the *merged* softmax over all
/// pieces (the identity of ring attention, Liu et al. 2023, arXiv:2310.01889).
PieceGradients attend_piece_backward(const at::Tensor& gradient, const at::Tensor& query,
                                     const at::Tensor& key, const at::Tensor& value, const at::Tensor& out,
                                     const at::Tensor& lse, const AttentionPiece& piece,
                                     const PieceScores& scores);

/// The same with matrix products in bounded blocks: the twin of the fused kernel, and what runs where the
/// kernel does not go (other devices, soft caps, slopes, values of another width than keys).
PieceOutput attend_piece_with_products(const at::Tensor& query, const at::Tensor& key,
                                       const at::Tensor& value, const AttentionPiece& piece,
                                       const PieceScores& scores);
PieceGradients attend_piece_backward_with_products(const at::Tensor& gradient, const at::Tensor& query,
                                                   const at::Tensor& key, const at::Tensor& value,
                                                   const at::Tensor& out, const at::Tensor& lse,
                                                   const AttentionPiece& piece, const PieceScores& scores);

}  // namespace attune::model
