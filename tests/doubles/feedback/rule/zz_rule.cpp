// A double that uses all of the rules' seam: everything of an input, options that are checked against each
// other, scores that depend on the whole batch, and a number of its own beside the reward.
#include <algorithm>

#include "feedback/rule.h"

namespace attune::feedback {
namespace {

class ZzRule final : public Rule {
 public:
  RuleInfo info() const override { return {"zz_rule", "Counts what it was shown.", "nobody"}; }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("low", low_, "Least reward.");
    fields.add("high", high_, "Greatest reward.");
    return fields;
  }
  void check() const override {
    if (low_ > high_) core::fail_request("rule zz_rule: low={} is more than high={}", low_, high_);
  }
  /// One for each of: the completion is the reference answer, it ended by itself, meta names its id, the
  /// prompt is not its predecessor's.
  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override {
    std::vector<RuleScore> scores;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const RuleInput& input = inputs[i];
      double reward = 0;
      reward += input.completion == core::Json(input.reference_answer) ? 1 : 0;
      reward += input.finish_reason == "stop" ? 1 : 0;
      reward += input.meta.is_object() && input.meta.value("id", "") == input.id ? 1 : 0;
      reward += i == 0 || input.prompt != inputs[i - 1].prompt ? 1 : 0;
      scores.push_back({std::min(std::max(reward, low_), high_), {{"shown", static_cast<double>(i)}}});
    }
    return scores;
  }

 private:
  double low_ = 0, high_ = 4;
};

}  // namespace

std::unique_ptr<Rule> rule_zz_rule() { return std::make_unique<ZzRule>(); }

}  // namespace attune::feedback
