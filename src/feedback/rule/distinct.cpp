#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// distinct-n: the part of n-grams that are different.
class Distinct : public TextRule {
 public:
  RuleInfo info() const override {
    return {"distinct", "Rewards variety: different n-grams / all n-grams of the words.", "arXiv:1510.03055"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("n", n_, "Words in an n-gram.").range(1, 100);
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    const auto words = words_of(text);
    return {words.empty() ? 0 : distinct_fraction(words, static_cast<std::size_t>(n_)), {}};
  }

 private:
  std::int64_t n_ = 2;
};

}  // namespace

std::unique_ptr<Rule> rule_distinct() { return std::make_unique<Distinct>(); }

}  // namespace attune::feedback
