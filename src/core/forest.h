// The packed stream: a forest of token segments in which a shared prefix is stored, and later computed, once.
//
// Sequences of one group (a prompt with its candidates) are cut where they diverge: the common prefix becomes
// a parent segment, the rest its children, and so on (a radix tree). Segments are laid out depth first, so
// all descendants of a segment stand directly behind it in the stream:
//
//      stream:   [ prompt ][ answer A ][ answer B ][ next prompt ][ … ]
//      parent:      -1          0           0            -1
//
// There is no padding. A token sees its ancestors and the earlier tokens of its own segment, nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune::core {

/// One sequence to be packed.
struct TokenSequence {
  std::span<const std::int32_t>
      ids;                 ///< final token ids (after template, truncation, end-of-sequence); not empty
  std::int64_t group = 0;  ///< only sequences of the same group share; groups must be contiguous
  std::int32_t table = 0;  ///< position table; only sequences of equal tables share (length-dependent RoPE)
  /// Content keys, one per id, or empty: tokens with equal ids and different keys differ. 0: the id says it
  /// all; else the token comes as a vector of its own (an image, a soft prompt) that the key stands for.
  std::span<const std::uint64_t> content{};
};

struct Segment {
  std::int32_t parent = -1;  ///< index of the parent segment, -1 for a root; parents come before children
  std::int32_t begin = 0;    ///< stream range [begin, end)
  std::int32_t end = 0;
  std::int32_t subtree_end = 0;     ///< all descendants occupy [end, subtree_end)
  std::int32_t first_position = 0;  ///< position of the first token (0 for roots)
  std::int32_t table = 0;
};

struct Forest {
  std::vector<std::int32_t> tokens;     ///< [T]
  std::vector<std::int32_t> positions;  ///< [T]
  std::vector<std::uint64_t> content;   ///< [T] content keys; empty when every sequence is ids alone
  std::vector<Segment> segments;
  std::vector<std::int32_t> leaf_of;           ///< [N] segment in which sequence i ends
  std::vector<std::int32_t> sequence_lengths;  ///< [N] tokens of sequence i, prefix included

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  /// Stream index of every token of sequence i, in order: [sequence_lengths[i]].
  std::vector<std::int32_t> stream_indices(std::size_t sequence) const;
};

/// Packs sequences. With `share` off every sequence is its own root (the oracle, and the rule under dropout).
/// Two equal sequences end in the same segment. Linear in the number of tokens up to the radix tree's
/// branching.
Forest build_forest(std::span<const TokenSequence> sequences, bool share = true);

/// Tokens that build_forest would put into the stream, without building it.
std::int64_t forest_size(std::span<const TokenSequence> sequences, bool share = true);

/// Offsets of ragged rows: row i is [offsets[i], offsets[i+1]); starts with 0, has one entry more than rows.
using Offsets = std::vector<std::int64_t>;

}  // namespace attune::core
