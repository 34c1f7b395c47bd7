// From rows to micro-batches: whole groups are packed into segment forests up to a token budget.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/forest.h"

namespace attune::data {

/// A sequence to be computed: a prompt with one completion of it.
struct PackItem {
  std::vector<std::int32_t> ids;   ///< prompt + completion
  std::int32_t prompt_length = 0;  ///< tokens of the prompt; the completion follows
  std::vector<std::uint8_t> mask;  ///< [ids - prompt_length] 1 where a number is wanted
  std::int64_t group = 0;          ///< contiguous; candidates of one prompt
  std::int32_t table = 0;          ///< ModelConfig::table_of(length)
  std::int64_t candidate = 0;      ///< index in the step, for putting results back
  /// [ids] or empty: content keys of tokens that come as embeddings (core::TokenSequence); prefixes with
  /// other embeddings are not shared.
  std::vector<std::uint64_t> content{};
};

/// One micro-batch: the forest, and where each item's masked completion tokens are read.
struct PackedBatch {
  core::Forest forest;
  std::vector<std::int64_t> items;          ///< indices into the step's items, in order
  std::vector<std::int64_t> rows, targets;  ///< [M] stream index whose logits give the token, and the token
  core::Offsets offsets;                    ///< [items+1] rows of item i
  std::vector<std::int64_t> last_rows;      ///< [items] stream index of the last token (heads)
  bool splits_group = false;                ///< some group is not whole in this micro-batch
};

/// Fills micro-batches in order, groups whole where they fit; a group over the budget is split and its prompt
/// computed again. The first token of a sequence without prompt is never read (it has no log-probability).
/// @param token_budget at most so many stream tokens a micro-batch (one sequence may exceed it alone).
std::vector<PackedBatch> pack(std::span<const PackItem> items, std::int64_t token_budget, bool share = true);

}  // namespace attune::data
