// A read row as it is cached: tokens with their feedback.
#pragma once

#include <functional>

#include "data/row_use.h"
#include "data/rows/example_source.h"
#include "data/summary.h"
#include "data/tokens/cached_row.h"

namespace attune::data {

/// Goes up when tokenisation or the rules of what is used change, so that older caches are made anew.
inline constexpr int kTokenRules = 10;

/// The reason of rows that the template would not render.
inline constexpr const char* kTemplateRefused = "the chat template refused the messages";

/// Tokens, masks and feedback of an example of a row, or why it is unusable. What the row is not used for is
/// not even tokenised: candidates that nobody accepted as demonstrations, those of no pair.
/// @param counts what the pairing derived and left out is added
core::Result<CachedRow> tokenize_row(record::Example example, std::int64_t index, const TextCodec& codec,
                                     const DataOptions& options, const RowUse& use,
                                     record::PairingCounts& counts);

/// The same of all that data.turns makes of a row, each visited; what was split is counted among what was
/// derived.
void tokenize_rows(const SourceRow& row, const TextCodec& codec, const DataOptions& options,
                   const RowUse& use, record::PairingCounts& counts,
                   const std::function<void(const record::Example&, core::Result<CachedRow>)>& visit);

/// Adds a kept row to the counts. @param where "prefs.jsonl:17"
void count_row(const CachedRow& row, std::int64_t copies, const std::string& where, DatasetSummary& summary);

}  // namespace attune::data
