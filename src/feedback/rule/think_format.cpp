#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// TRL's think_format_reward, ^<think>(?!.*<think>)(.*?)</think>.*$ with dots that match newlines; optionally
/// an answer block must follow.
class ThinkFormat : public TextRule {
 public:
  RuleInfo info() const override {
    return {"think_format",
            "1 when the completion opens with one <think>…</think> block (and has an answer block).",
            "arXiv:2501.12948"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("answer_tags", answer_tags_,
               "Whether <answer>…</answer> must follow, with nothing behind it.");
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    constexpr std::string_view open = "<think>", close = "</think>";
    if (!text.starts_with(open) || text.find(open, open.size()) != std::string::npos) return {};
    const std::size_t end = text.find(close, open.size());
    if (end == std::string::npos) return {};
    if (!answer_tags_) return {1, {}};
    const std::string_view answer = trimmed(std::string_view(text).substr(end + close.size()));
    const bool framed = answer.starts_with("<answer>") && answer.ends_with("</answer>") &&
                        answer.find("<answer>", 1) == std::string_view::npos && answer.size() >= 17;
    return {framed ? 1.0 : 0.0, {}};
  }

 private:
  bool answer_tags_ = false;
};

}  // namespace

std::unique_ptr<Rule> rule_think_format() { return std::make_unique<ThinkFormat>(); }

}  // namespace attune::feedback
