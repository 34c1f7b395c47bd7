// A row's candidates as they are learned from at a step.
#pragma once

#include "data/row_use.h"
#include "data/tokenized_row.h"

namespace attune::data {

/// All choices but that of pairs were made when the row was read; pairs may change with the key.
/// @return members and said of row.candidates; for pairs the comparisons, each candidate standing once
record::Grouping group_row(const TokenizedRow& row, const RowUse& use, const record::PairingKey& key);

}  // namespace attune::data
