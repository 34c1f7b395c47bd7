#include <algorithm>
#include <set>

#include "feedback/text_rule.h"
#include "text/unicode.h"

namespace attune::feedback {
namespace {

/// Words with a capital first letter in the middle of a sentence, without their quotes and commas. Where a
/// sentence begins, a capital says nothing; a word that stands for oneself ("I", "I'm") is no name.
std::set<std::string> names_of(std::string_view text) {
  std::set<std::string> names;
  std::string word;
  bool begins = true;
  const auto end_word = [&] {
    if (word.ends_with("'s")) word.resize(word.size() - 2);
    const std::string lower = lowercase(word);
    const bool oneself = word == "I" || word.starts_with("I'");
    if (!begins && !oneself && lower != word) names.insert(lower);
    begins = false;
    word.clear();
  };
  while (!text.empty()) {
    const text::CodePoint c = text::next_code_point(text);
    const std::string_view bytes = text.substr(0, c.length);
    if (text::is_word(c.value) || (bytes == "'" && !word.empty()))
      word += bytes;
    else if (!word.empty())
      end_word();
    if (std::string_view(".!?…\n\"“”").find(bytes) != std::string_view::npos) begins = true;
    text.remove_prefix(c.length);
  }
  if (!word.empty()) end_word();
  return names;
}

/// max_penalty · min(1, (new names − allowed) / allowed): small models lose their thread by calling the hero
/// by another name in every sentence.
class NewNames : public TextRule {
 public:
  RuleInfo info() const override {
    return {"new_names",
            "Penalty for more names than `allowed` that the prompt does not have: stories that swap their "
            "characters.",
            ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("allowed", allowed_, "New names without penalty.").range(1, 1000);
    fields.add("max_penalty", max_penalty_, "The reward at twice as many and more.").range(-1e6, 0);
    return fields;
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput& input) const override {
    auto names = names_of(text);
    for (const auto& known : words_of(text_of(input.prompt))) names.erase(known);
    const auto count = static_cast<double>(names.size()), allowed = static_cast<double>(allowed_);
    const double over = std::clamp((count - allowed) / allowed, 0.0, 1.0);
    return {over > 0 ? max_penalty_ * over : 0, {{"new_names", count}}};
  }

 private:
  std::int64_t allowed_ = 2;
  double max_penalty_ = -1;
};

}  // namespace

std::unique_ptr<Rule> rule_new_names() { return std::make_unique<NewNames>(); }

}  // namespace attune::feedback
