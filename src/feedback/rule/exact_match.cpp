#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// Normalised as in SQuAD's evaluation without its article rule: words in lower case joined by single spaces.
std::string loose(std::string_view text) {
  std::string result;
  for (const std::string& word : words_of(text)) result += (result.empty() ? "" : " ") + word;
  return result;
}

/// 1 when the completion is the reference answer.
class ExactMatch : public TextRule {
 public:
  RuleInfo info() const override {
    return {"exact_match",
            "1 when the completion (or what follows a marker in it) is the record's reference_answer.",
            "arXiv:1606.05250"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("after", after_,
               "Compare only what follows the last occurrence of this text, e.g. 'Answer:'.");
    fields.add("loose", loose_, "Ignore case, punctuation and spacing.");
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput& input) const override {
    std::string_view answer = text;
    if (!after_.empty()) {
      const std::size_t at = text.rfind(after_);
      if (at == std::string::npos) return {0, {{"marker", 0}}};
      answer.remove_prefix(at + after_.size());
    }
    const bool equal = loose_ ? loose(answer) == loose(input.reference_answer)
                              : trimmed(answer) == trimmed(input.reference_answer);
    return {equal && !input.reference_answer.empty() ? 1.0 : 0.0, {}};
  }

 private:
  std::string after_;
  bool loose_ = false;
};

}  // namespace

std::unique_ptr<Rule> rule_exact_match() { return std::make_unique<ExactMatch>(); }

}  // namespace attune::feedback
