// The worked example of a method: made-up numbers for one prompt, filled in
// (src/algorithm/fixture/worked_example.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/json.h"

namespace attune::cli {

/// Tokens with their numbers, loss, metrics, and the coefficients in words.
std::string worked_example_text(const algorithm::Method& method);
/// Two or more methods on the same example, column by column where they learn from the same kind of feedback.
std::string compare_text(const std::vector<std::unique_ptr<algorithm::Method>>& methods);
/// The card, options and example as one object, for programs.
core::Json card_json(algorithm::Method& method);

}  // namespace attune::cli
