// What the preference formats share: two candidates with their ranks and scores.
#pragma once

#include "data/rows/column/columns.h"

namespace attune::data {

/// Adds the chosen (rank 0) and the rejected (rank 1) candidate, with score_chosen / score_rejected as their
/// rewards and margin on the chosen one.
void add_pair(Columns& columns, record::Example& example, core::Json chosen, core::Json rejected);

/// Splits two texts into prompt and completions: everything before the first differing character, less one
/// trailing space, which then starts both completions (TRL's extract_prompt). Never cuts inside a UTF-8
/// character.
std::size_t shared_text(std::string_view chosen, std::string_view rejected);

/// The number of leading messages that both conversations share.
std::size_t shared_messages(const core::Json& chosen, const core::Json& rejected);

/// Messages [from, end).
core::Json messages_from(const core::Json& messages, std::size_t from);

}  // namespace attune::data
