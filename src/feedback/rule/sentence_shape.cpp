#include <algorithm>

#include "feedback/text_rule.h"
#include "text/unicode.h"

namespace attune::feedback {
namespace {

bool begins_with_capital(std::string_view sentence) {
  while (!sentence.empty()) {
    const text::CodePoint first = text::next_code_point(sentence);
    if (text::is_word(first.value)) {
      std::string lower, same;
      text::append_lowercase(lower, first.value);
      text::append_utf8(same, first.value);
      return lower != same || text::is_numeric(first.value);
    }
    sentence.remove_prefix(first.length);
  }
  return false;
}

/// Straight double quotes come in pairs, and every “ has its ”, every ( its ).
bool balanced(std::string_view text) {
  long straight = 0, curly = 0, round = 0;
  while (!text.empty()) {
    const text::CodePoint c = text::next_code_point(text);
    straight += c.value == U'"';
    curly += (c.value == U'“') - (c.value == U'”');
    round += (c.value == U'(') - (c.value == U')');
    if (curly < 0 || round < 0) return false;
    text.remove_prefix(c.length);
  }
  return straight % 2 == 0 && curly == 0 && round == 0;
}

/// The mean of four plain checks of readable prose, each from 0 to 1.
class SentenceShape : public TextRule {
 public:
  RuleInfo info() const override {
    return {"sentence_shape",
            "Readable prose: sentences of a reasonable mean length, capital first letters, complete ends, "
            "quotes in pairs (mean of the four).",
            ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("min_words", min_words_, "Shortest reasonable mean sentence, in words.").positive();
    fields.add("max_words", max_words_, "Longest reasonable mean sentence, in words.").positive();
    return fields;
  }
  void check() const override {
    if (max_words_ < min_words_) {
      core::fail_request("rule sentence_shape: max_words ({}) is below min_words ({})", max_words_,
                         min_words_);
    }
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    const auto sentences = sentences_of(text);
    if (sentences.empty()) return {};
    const auto count = static_cast<double>(sentences.size());
    const double mean = static_cast<double>(words_of(text).size()) / count;
    double length = 1;
    if (mean < min_words_) length = mean / min_words_;
    if (mean > max_words_) length = std::max(0.0, 1 - (mean - max_words_) / max_words_);
    // The first sentence goes on where the prompt stopped, so its first letter may be small.
    const auto rest = sentences.begin() + 1;
    const auto capitals = static_cast<double>(std::count_if(rest, sentences.end(), begins_with_capital));
    const double starts = sentences.size() > 1 ? capitals / (count - 1) : 1;
    const auto ended = static_cast<double>(std::count_if(sentences.begin(), sentences.end(), ends_sentence));
    const double ends = ended / count;
    const double pairs = balanced(text) ? 1 : 0;
    return {(length + starts + ends + pairs) / 4,
            {{"mean_sentence_words", mean}, {"capital_starts", starts}, {"ends", ends}, {"balanced", pairs}}};
  }

 private:
  double min_words_ = 4, max_words_ = 20;
};

}  // namespace

std::unique_ptr<Rule> rule_sentence_shape() { return std::make_unique<SentenceShape>(); }

}  // namespace attune::feedback
