#include <algorithm>
#include <cmath>

#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

/// 1 inside [min, max], falling linearly outside; or 1 at the target, falling to 0 at none and at twice its
/// length.
class Length : public TextRule {
 public:
  RuleInfo info() const override {
    return {"length", "Rewards completions of a wanted length: a range, or a target.", ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("min", min_, "Shortest wanted length.").non_negative();
    fields.add("max", max_, "Longest wanted length; 0: none.").non_negative();
    fields.add("target", target_, "Wanted length; the reward falls to 0 at 0 and at twice the target.")
        .non_negative();
    fields.add("unit", unit_, "What is counted.").one_of({"words", "characters"});
    return fields;
  }
  void check() const override {
    if (max_ > 0 && max_ < min_) core::fail_request("rule length: max ({}) is below min ({})", max_, min_);
    if (min_ == 0 && max_ == 0 && target_ == 0) core::fail_request("rule length: set min, max or target");
    if (target_ > 0 && (min_ > 0 || max_ > 0))
      core::fail_request("rule length: set target, or min and max, not both");
  }

 protected:
  RuleScore judge(const std::string& text, const RuleInput&) const override {
    const auto length = static_cast<double>(count(text));
    const auto min = static_cast<double>(min_), max = static_cast<double>(max_);
    double reward = 1;
    if (target_ > 0) {
      reward = 1 - std::abs(length - static_cast<double>(target_)) / static_cast<double>(target_);
    } else if (length < min) {
      reward = length / min;
    } else if (max > 0 && length > max) {
      reward = 1 - (length - max) / max;
    }
    return {std::max(0.0, reward), {{unit_, length}}};
  }

 private:
  std::size_t count(const std::string& text) const {
    if (unit_ == "words") return words_of(text).size();
    // Every byte of UTF-8 that does not continue a character begins one.
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }

  std::int64_t min_ = 0, max_ = 0, target_ = 0;
  std::string unit_ = "words";
};

}  // namespace

std::unique_ptr<Rule> rule_length() { return std::make_unique<Length>(); }

}  // namespace attune::feedback
