// What rules that read the completion as text have in common: the text itself, its words and sentences.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "feedback/rule.h"

namespace attune::feedback {

/// A rule that judges each completion on its own.
class TextRule : public Rule {
 public:
  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override;

 protected:
  /// @param text the completion as well-formed UTF-8; of messages, their contents joined with newlines
  virtual RuleScore judge(const std::string& text, const RuleInput& input) const = 0;
};

/// The text of a prompt or completion: itself, or the contents of its messages joined with newlines.
std::string text_of(const core::Json& text_or_messages);

/// Without white space at both ends.
std::string_view trimmed(std::string_view text);
/// Lower case, character by character.
std::string lowercase(std::string_view text);
/// Words in lower case: runs of letters, digits and inner apostrophes ("don't").
std::vector<std::string> words_of(std::string_view text);
/// Sentences: cut behind . ! ? … (with closing quotes and brackets) before white space, and at line ends.
/// Trimmed, none is empty.
std::vector<std::string> sentences_of(std::string_view text);
/// Whether the text ends as a sentence does: . ! ? …, perhaps followed by closing quotes or brackets.
bool ends_sentence(std::string_view text);

/// Different n-grams / all n-grams of the words (Li et al. 2016, arXiv:1510.03055); 1 with fewer than n
/// words.
double distinct_fraction(const std::vector<std::string>& words, std::size_t n);

}  // namespace attune::feedback
