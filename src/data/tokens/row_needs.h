// Whether a record gives what a method wants, and feedback derived from other feedback where it does not say
// it itself.
#pragma once

#include <optional>

#include "core/error.h"
#include "data/dataset.h"

namespace attune::data {

/// Fills in ranks, labels or rewards that follow from the record's other feedback, or says why the row cannot
/// be used.
std::optional<core::ItemError> meet_needs(record::Example& example, RowNeeds needs);

/// Whether all completions of a record with several differently judged ones came out as the same ids.
std::optional<core::ItemError> check_distinct(const record::Example& example, const TokenizedExample& tokenized,
                                              RowNeeds needs);

}  // namespace attune::data
