// Which blocks of queries and keys a packed forest needs, computed once per forest and window. No tensors
// here.
#pragma once

#include <cstdint>
#include <vector>

#include "core/forest.h"

namespace attune::model {

/// Queries [q_begin, q_end) against keys [k_begin, k_end) of the stream. Positions run on without gaps inside
/// the key range; inside the query range too unless the mask is kFull.
struct AttentionPiece {
  enum class Mask {
    kFull,    ///< every query sees every key
    kCausal,  ///< same tokens on both sides: query r sees keys 0..r
    kBand     ///< query r sees key c iff 0 <= offset + r - c < window
  };
  std::int32_t q_begin, q_end, k_begin, k_end;
  Mask mask = Mask::kFull;
  std::int32_t offset = 0;  ///< position of the first query minus position of the first key
  std::int64_t window = 0;  ///< 0: no limit
  bool first =
      false;  ///< the first piece of its queries: its result is stored, later ones are merged into it

  std::int64_t queries() const { return q_end - q_begin; }
  std::int64_t keys() const { return k_end - k_begin; }
  bool visible(std::int64_t query, std::int64_t key) const;  ///< relative to the ranges' begins
};

/// The pieces of one forest. Every query has exactly one `first` piece, which comes before its others and
/// holds its own token, so that every merged softmax is finite.
///
/// Without a window: each segment on itself, in row tiles that stop at the diagonal, and for each segment
/// with descendants one full piece [end, subtree_end) × [begin, end). With a window the same is cut to what
/// is inside it.
struct AttentionPlan {
  std::vector<AttentionPiece> pieces;
  std::int64_t tokens = 0;
  std::vector<std::int32_t> positions;  ///< [tokens] of the stream, for scores that depend on distance
  /// Query–key products that will be computed, masked ones in tiles included.
  std::int64_t products() const;
};

/// @param window key j is visible to query i iff i - j < window (positions); 0: no limit.
AttentionPlan plan_attention(const core::Forest& forest, std::int64_t window = 0);

}  // namespace attune::model
