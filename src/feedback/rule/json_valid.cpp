#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// The inside of the first fenced block, or the text itself.
std::string_view unfenced(std::string_view text) {
  const std::size_t open = text.find("```");
  if (open == std::string_view::npos) return text;
  const std::size_t line = text.find('\n', open);
  if (line == std::string_view::npos) return text;
  const std::size_t close = text.find("```", line);
  return text.substr(line + 1, close == std::string_view::npos ? close : close - line - 1);
}

/// 1 when the completion is JSON, with the keys that are asked for.
class JsonValid : public TextRule {
 public:
  RuleInfo info() const override {
    return {"json_valid",
            "1 when the completion (or its fenced block) is JSON; with keys, the part of them it has.", ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("keys", keys_, "Keys that the object must have.");
    fields.add("fenced", fenced_, "Whether JSON inside ``` fences counts.");
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    core::Json document;
    std::string why;
    const std::string_view body = trimmed(fenced_ ? unfenced(text) : std::string_view(text));
    if (body.empty() || !core::try_parse_json(body, document, why)) return {};
    if (keys_.empty()) return {1, {}};
    if (!document.is_object()) return {};
    double present = 0;
    for (const std::string& key : keys_) present += document.contains(key);
    return {present / static_cast<double>(keys_.size()), {}};
  }

 private:
  std::vector<std::string> keys_;
  bool fenced_ = true;
};

}  // namespace

std::unique_ptr<Rule> rule_json_valid() { return std::make_unique<JsonValid>(); }

}  // namespace attune::feedback
