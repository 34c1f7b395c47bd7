// A row of a dataset as training reads it: tokens with what is said of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "record/candidate.h"

namespace attune::data {

/// One candidate's tokens and feedback, as stored in the cache.
struct TokenizedCandidate {
  record::Candidate said;                    ///< feedback; no text
  std::span<const std::int32_t> completion;  ///< ids, end-of-sequence included
  std::span<const std::uint8_t> mask;        ///< [completion] 1 where trained on
  std::span<const std::int32_t> step_ends;   ///< completion index of each step's last token
  /// [completion] of the policy as it was: the record's sampling_logps, else its logps; empty when unknown
  std::span<const double> old_logps;
};

struct TokenizedRow {
  std::int64_t index = 0;                        ///< row number in the file, from 0
  std::span<const std::int32_t> prompt;          ///< ids; may be empty (language modelling)
  std::span<const std::int32_t> teacher_prompt;  ///< what a teacher reads in its place; empty: the same
  std::vector<TokenizedCandidate> candidates;
};

}  // namespace attune::data
