// Looking into a pass, and changing what passes: probes, lenses, steering vectors, patching, ablation.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace attune::model {

/// Where a tap stands, in the order of a pass. R rows, D width, H heads, K key heads, d and dv the widths of
/// a key and a value head. A plain layer adds kAttentionOutput, then kMlpOutput to its input.
enum class Site {
  kEmbedding,   ///< [R, D] what the first layer reads; layer -1
  kBlockInput,  ///< [R, D]
  kQueries,     ///< [R, H, d] normed and rotated
  kKeys,        ///< [R, K, d] normed and rotated; decoding keeps them in its cache as the tap leaves them
  kValues,      ///< [R, K, dv]; likewise
  kAttended,    ///< [R, H * dv] mixtures of values, head after head, before the output projection
  kAttentionOutput,  ///< [R, D] as it is added
  kMlpOutput,        ///< [R, D] as it is added
  kBlockOutput,      ///< [R, D]
  kFinalNorm         ///< [R, D] what the head reads; layer = the number of layers
};

/// A pass calls it at every site, in training and in decoding alike. Rows are those of the pass: the tokens
/// of a packed stream, or the tokens of one decoding step. Without a tap a site costs a test for null.
class Tap {
 public:
  virtual ~Tap() = default;
  /// Reads x, or replaces it with a tensor of the same shape and type; gradients flow through what it does.
  virtual void at(Site site, std::int64_t layer, at::Tensor& x) = 0;
};

}  // namespace attune::model
