// The small worked example that `attune explain METHOD` fills in: made-up numbers for one prompt, in the
// shape of the feedback that the method learns from.
#pragma once

#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/json.h"

namespace attune::algorithm {

struct WorkedExample {
  std::string prompt;
  /// The tokens of each candidate, as text.
  std::vector<std::vector<std::string>> tokens;
  /// What a person said about each candidate: "chosen", "bad", "reward 1" …
  std::vector<std::string> feedback;
  core::Json fixture;  ///< the same as a fixture: {"candidates": […]}
};

WorkedExample worked_example(const Method& method);

/// A coefficient list in words: "pushed up, by 0.05 on every token".
std::string in_words(const std::vector<double>& coefficients, const std::vector<std::string>& tokens);

}  // namespace attune::algorithm
