// The worked example of a method: made-up numbers for one prompt, filled in
// (src/algorithm/fixture/worked_example.h).
#pragma once

#include <string>

#include "algorithm/method.h"
#include "cli/explain/unified.h"
#include "core/json.h"

namespace attune::cli {

/// Tokens with their numbers, loss, metrics, and the coefficients in words.
std::string worked_example_text(const algorithm::Method& method);
/// The cards of two or more methods, and what they do to the same rated answers.
std::string compare_text(const MethodList& methods);
/// The card, options and example as one object, for programs.
core::Json card_json(algorithm::Method& method);

}  // namespace attune::cli
