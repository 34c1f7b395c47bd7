#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// penalty · (1 − distinct-n) over words: TRL's get_repetition_penalty_reward, which counts tokens.
class Repetition : public TextRule {
 public:
  RuleInfo info() const override {
    return {"repetition",
            "Penalty for repeated n-grams: max_penalty * (1 - different n-grams / all n-grams).",
            "arXiv:2502.03373"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("ngram_size", ngram_size_, "Words in an n-gram.").range(1, 100).alias("n");
    fields.add("max_penalty", max_penalty_, "The reward when everything repeats.").range(-1e6, 0);
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    const double repeated = 1 - distinct_fraction(words_of(text), static_cast<std::size_t>(ngram_size_));
    return {repeated > 0 ? max_penalty_ * repeated : 0, {{"repeated", repeated}}};
  }

 private:
  std::int64_t ngram_size_ = 3;
  double max_penalty_ = -1;
};

}  // namespace

std::unique_ptr<Rule> rule_repetition() { return std::make_unique<Repetition>(); }

}  // namespace attune::feedback
