#include "feedback/rule.h"

namespace attune::feedback {
namespace {

/// 1 when the model itself ended the text.
class Finished : public Rule {
 public:
  RuleInfo info() const override {
    return {"finished", "1 when the completion ended by itself, 0 when the length limit cut it.", ""};
  }
  core::Fields fields() override { return {}; }
  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override {
    std::vector<RuleScore> scores;
    for (const RuleInput& input : inputs) scores.push_back({input.finish_reason == "length" ? 0.0 : 1.0, {}});
    return scores;
  }
};

}  // namespace

std::unique_ptr<Rule> rule_finished() { return std::make_unique<Finished>(); }

}  // namespace attune::feedback
