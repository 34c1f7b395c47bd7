// What a method asks of the feedback on a row, looked at when the row is read.
#pragma once

#include <optional>
#include <span>

#include "data/row_use.h"
#include "data/tokens/cached_row.h"

namespace attune::data {

/// Sets row.teaches_nothing where that is so.
/// @param said what is learned from, as the pairing understood it, with its pairs. @return why the row cannot be used
std::optional<core::ItemError> check_needs(std::span<const record::Candidate> said,
                                           std::span<const record::Pair> pairs, const RowUse& use,
                                           CachedRow& row);

}  // namespace attune::data
