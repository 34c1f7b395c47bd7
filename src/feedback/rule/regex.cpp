#include <optional>

#include "core/pattern.h"
#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// 1 when a pattern is found.
class Regex : public TextRule {
 public:
  RuleInfo info() const override {
    return {"regex", "1 when a regular expression (Perl syntax) matches the completion, else 0.", ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("pattern", pattern_, "The expression, e.g. '\\bAnswer: \\d+'.");
    fields.add("whole", whole_, "Whether the whole completion must match, rather than a part of it.");
    fields.add("ignore_case", ignore_case_, "Whether upper and lower case are the same.");
    fields.add("absent", absent_, "Reward completions that do not match instead.");
    return fields;
  }
  void check() const override {
    if (pattern_.empty()) core::fail_request("rule regex: pattern is empty");
    compiled();
  }

  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override {
    active_.emplace(compiled());
    return TextRule::score(inputs);
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    using core::Pattern;
    const auto found = active_->match(text, whole_ ? Pattern::Part::kWhole : Pattern::Part::kSomewhere);
    // A text on which the pattern explodes earns nothing either way, and shows in the metrics.
    if (found == Pattern::Found::kGaveUp) return {0, {{"gave_up", 1}}};
    return {(found == Pattern::Found::kYes) != absent_ ? 1.0 : 0.0, {}};
  }

 private:
  core::Pattern compiled() const { return {pattern_, "rule regex", {.ignore_case = ignore_case_}}; }
  std::string pattern_;
  bool whole_ = false, ignore_case_ = false, absent_ = false;
  std::optional<core::Pattern> active_;
};

}  // namespace

std::unique_ptr<Rule> rule_regex() { return std::make_unique<Regex>(); }

}  // namespace attune::feedback
