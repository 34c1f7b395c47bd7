// Pieces of text that all forms of `attune explain` share: a method's card, its options, numbers in columns,
// and what coefficients say in words.
#pragma once

#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/json.h"

namespace attune::cli {

/// Columns in a terminal: code points, as all texts here are made of narrow ones.
std::size_t width_of(const std::string& text);
/// `text` and spaces up to `width` columns; a longer text stays as it is.
std::string padded(const std::string& text, std::size_t width);
/// Four digits; "-" for what is no number.
std::string number(const core::Json& value);

/// Name, title, paper, summary, formula and departures.
std::string card_text(const algorithm::Method& method);
/// A line for every option with its present value.
std::string options_text(algorithm::Method& method);

/// The line above sentences about coefficients.
inline constexpr const char* kInWords =
    "\nIn words (a coefficient is -dloss/dlog π, what a token's log-probability is pushed by):\n";
/// One sentence on the coefficients of an answer. @param answer its beginning, with an ellipsis where it goes
/// on @param feedback "chosen", "bad" …
/// @param tokens the texts of the tokens that `pushes` are about
std::string push_in_words(const std::string& answer, const std::string& feedback,
                          const std::vector<double>& pushes, const std::vector<std::string>& tokens);
/// The same for an answer that is moved through its score.
std::string score_push_in_words(const std::string& feedback, double push);

}  // namespace attune::cli
