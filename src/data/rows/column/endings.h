// Why given completions ended, whatever the format of their row.
#pragma once

#include <string>
#include <vector>

#include "data/rows/column/columns.h"

namespace attune::data {

/// Gives candidates the `finish_reason` of their row: a text for its only completion, a list (finish_reason,
/// finish_reasons) with one for each, or finish_reason_chosen and finish_reason_rejected. Those that a limit
/// or something else broke off count as cut.
void read_endings(Columns& columns, record::Example& example);

/// What is to be said of a row's endings: words that nobody knows, a reason that belongs to none of several
/// completions.
std::vector<std::string> odd_endings(const record::Example& example);

}  // namespace attune::data
