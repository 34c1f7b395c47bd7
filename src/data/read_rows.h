// The one reader of data: rows from their files, tokenised and counted. `train` writes them to its cache,
// `check` looks at them.
#pragma once

#include <functional>

#include "data/cache/file.h"
#include "data/row_use.h"
#include "data/rows/example_source.h"
#include "data/summary.h"

namespace attune::data {

/// Gets every row that can be used, also those that are seen no times in an epoch (SourceRow::copies).
using RowVisitor = std::function<void(const SourceRow& row, const CachedRow& tokens)>;

/// Reads all of it, with progress. @throws Error{kRequest}: no rows; malformed rows under data.on_error=fail,
/// which are counted to the end first
DatasetSummary read_rows(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                         const RowVisitor& visit);

}  // namespace attune::data
