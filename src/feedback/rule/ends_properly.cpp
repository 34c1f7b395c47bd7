#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// 1 when the last sentence is complete.
class EndsProperly : public TextRule {
 public:
  RuleInfo info() const override {
    return {"ends_properly",
            "1 when the text ends as a sentence does (. ! ? …, closing quotes may follow), else 0.", ""};
  }
  core::Fields fields() override { return {}; }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    return {ends_sentence(text) ? 1.0 : 0.0, {}};
  }
};

}  // namespace

std::unique_ptr<Rule> rule_ends_properly() { return std::make_unique<EndsProperly>(); }

}  // namespace attune::feedback
