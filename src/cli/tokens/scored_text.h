// Texts whose tokens are scored, as `attune score` reads them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace attune::cli {

/// A candidate: its context (prompt) and the tokens to be scored.
struct ScoredText {
  std::size_t row = 0;        ///< among the records of the chunk
  std::size_t candidate = 0;  ///< in its record
  std::int64_t record = 0;    ///< for sharing: candidates of one record stand together
  std::vector<std::int32_t> context, ids;
  std::map<std::string, double> metrics;  ///< of the rater
};

/// log π of the tokens of each text; one fewer for a text without context, whose first token has none.
/// @param budget tokens that are computed at once @throws Error{kRun} where one is not a number
std::vector<std::vector<double>> token_logps(const model::Model& model, const std::vector<ScoredText>& texts,
                                             std::int64_t budget);

}  // namespace attune::cli
