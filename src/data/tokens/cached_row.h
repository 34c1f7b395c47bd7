// A read row as the cache takes it. Owns what a TokenizedRow points to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/tokens/tokenize.h"
#include "record/candidate.h"

namespace attune::data {

/// A candidate as it is written; owns what TokenizedCandidate points to.
struct CachedCandidate {
  record::Candidate said;  ///< feedback; no text
  TokenizedExample::Completion completion;
  std::vector<double> old_logps;
};

struct CachedRow {
  std::int64_t index = 0;
  std::vector<std::int32_t> prompt, teacher_prompt;
  core::Json meta;
  std::vector<CachedCandidate> candidates;
  /// Comparisons of its candidates; not written, as they are made anew at every step.
  std::int64_t pairs = 0;
  std::string teaches_nothing;  ///< why, where it does not; counted, and not written
  std::string rendered;         ///< the text that was tokenised; not written
};

}  // namespace attune::data
