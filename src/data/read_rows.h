// The one reader of data: rows from their files, tokenised and counted. `train` writes them to its cache,
// `check` looks at them.
#pragma once

#include <functional>

#include "data/row_use.h"
#include "data/rows/example_source.h"
#include "data/summary.h"
#include "data/tokens/cached_row.h"

namespace attune::data {

struct RowVisitor {
  /// Gets every row that can be used, also those that are seen no times in an epoch (SourceRow::copies).
  /// @param example what of the row it is: all of it, or a turn of its conversation
  std::function<void(const SourceRow& row, const record::Example& example, const CachedRow& tokens)> kept;
  /// May be null: gets every well-formed row that cannot, with the reason.
  std::function<void(const SourceRow& row, const record::Example& example, const core::ItemError& error)>
      left_out = nullptr;
};

/// A row whose numbers nobody can learn from becomes a malformed one, unless only its prompt is used.
void judge_numbers(SourceRow& row, const RowUse& use);

/// Reads all of it, with progress. @throws Error{kRequest}: no rows; malformed rows under data.on_error=fail,
/// which are counted to the end first
DatasetSummary read_rows(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                         const RowVisitor& visit);

}  // namespace attune::data
