#include "feedback/answer.h"
#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// 1 when the final answer equals the reference's. TRL's accuracy_reward asks a symbolic checker; this one
/// compares numbers, fractions and texts.
class MathAnswer : public TextRule {
 public:
  RuleInfo info() const override {
    return {"math_answer",
            "1 when the final answer (\\boxed{…}, after ####, or the last number) equals that of "
            "reference_answer.",
            "arXiv:2110.14168"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("after", after_, "Look only behind the last occurrence of this text, e.g. '</think>'.");
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput& input) const override {
    std::string_view where = text;
    if (!after_.empty()) {
      const std::size_t at = text.rfind(after_);
      if (at == std::string::npos) return {0, {{"answered", 0}}};
      where.remove_prefix(at + after_.size());
    }
    const auto answer = final_answer(where);
    const auto wanted = final_answer(input.reference_answer).value_or(input.reference_answer);
    const bool correct = answer && same_answer(*answer, wanted);
    return {correct ? 1.0 : 0.0, {{"answered", answer ? 1.0 : 0.0}}};
  }

 private:
  std::string after_;
};

}  // namespace

std::unique_ptr<Rule> rule_math_answer() { return std::make_unique<MathAnswer>(); }

}  // namespace attune::feedback
