// From rows to micro-batches: whole groups are packed into segment forests up to a token budget.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/forest.h"
#include "record/positions.h"

namespace attune::data {

/// A sequence to be computed: a prompt with one completion of it.
struct PackItem {
  std::vector<std::int32_t> ids;        ///< prompt + completion
  std::int32_t prompt_length = 0;       ///< tokens of the prompt; the completion follows
  std::vector<std::uint8_t> mask;       ///< [ids - prompt_length] 1 where a number is wanted
  std::vector<std::int32_t> step_ends;  ///< completion index of the last token of each reasoning step
  std::int64_t group = 0;               ///< contiguous; candidates of one prompt
  std::int32_t table = 0;               ///< ModelConfig::table_of(length)
  /// The last token is read as a target only and is not computed: the sequence may be one longer than the
  /// context.
  bool last_is_target = false;
  std::int32_t scored = -1;  ///< index in ids that kLast means; -1: the last token
  /// [ids] or empty: content keys of tokens that come as embeddings (core::TokenSequence); prefixes with
  /// other embeddings are not shared.
  std::vector<std::uint64_t> content{};
};

/// Places of a stream where numbers are read; those of item i are [offsets[i], offsets[i+1]).
struct Places {
  std::vector<std::int64_t>
      predicting;  ///< stream index whose logits give the token; -1: nothing comes before it
  std::vector<std::int64_t> standing;  ///< stream index of the token itself; -1: it is not computed
  std::vector<std::int64_t> tokens;    ///< its id
  core::Offsets offsets = {0};

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
};

/// One micro-batch: the forest, and where each of its items is read.
struct PackedBatch {
  core::Forest forest;
  std::vector<std::int64_t> items;  ///< indices into the step's items, in order
  Places tokens;                    ///< masked completion tokens; never the first token of a sequence
  Places last;                      ///< the last token of each item, or the one that it names
  Places step_ends;                 ///< the last token of each reasoning step
  bool splits_group = false;        ///< some group is not whole in this micro-batch

  const Places& places(record::Positions at) const;
};

/// Fills micro-batches in order, groups whole where they fit; a group over the budget is split and its prompt
/// computed again. The first token of a sequence without prompt is never read (it has no log-probability).
/// @param token_budget at most so many stream tokens a micro-batch (one sequence may exceed it alone).
std::vector<PackedBatch> pack(std::span<const PackItem> items, std::int64_t token_budget, bool share = true);

}  // namespace attune::data
