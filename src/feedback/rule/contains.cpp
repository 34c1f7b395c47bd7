#include <algorithm>

#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// Which of some texts the completion holds.
class Contains : public TextRule {
 public:
  RuleInfo info() const override {
    return {"contains", "Rewards completions that hold given texts (or hold none of them).", ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("texts", texts_, "The texts to look for.").alias("text");
    fields.add("mode", mode_, "fraction: the part of them that is there; all, any, none: 1 or 0.")
        .one_of({"fraction", "all", "any", "none"});
    fields.add("ignore_case", ignore_case_, "Whether upper and lower case are the same.");
    return fields;
  }
  void check() const override {
    if (texts_.empty()) core::fail_request("rule contains: texts is empty; name what to look for");
    if (std::find(texts_.begin(), texts_.end(), "") != texts_.end()) {
      core::fail_request("rule contains: texts holds an empty text, which every completion contains");
    }
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    const std::string where = ignore_case_ ? lowercase(text) : text;
    const auto found = std::count_if(texts_.begin(), texts_.end(), [&](const std::string& wanted) {
      return where.find(ignore_case_ ? lowercase(wanted) : wanted) != std::string::npos;
    });
    const auto all = static_cast<std::ptrdiff_t>(texts_.size());
    if (mode_ == "all") return {found == all ? 1.0 : 0.0, {}};
    if (mode_ == "any") return {found > 0 ? 1.0 : 0.0, {}};
    if (mode_ == "none") return {found == 0 ? 1.0 : 0.0, {}};
    return {static_cast<double>(found) / static_cast<double>(all), {}};
  }

 private:
  std::vector<std::string> texts_;
  std::string mode_ = "fraction";
  bool ignore_case_ = true;
};

}  // namespace

std::unique_ptr<Rule> rule_contains() { return std::make_unique<Contains>(); }

}  // namespace attune::feedback
