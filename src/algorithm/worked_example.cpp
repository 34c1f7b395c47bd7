#include "algorithm/worked_example.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attune::algorithm {

namespace {

using core::Json;

constexpr const char* kPrompt = "I lost my keys again.";

/// Two answers to kPrompt with the numbers that most methods read.
std::vector<Json> answers() {
  return {Json{{"logps", {-0.7, -0.4, -0.9, -0.2}},
               {"ref_logps", {-0.9, -0.5, -0.8, -0.3}},
               {"old_logps", {-0.8, -0.4, -1.0, -0.2}},
               {"scores", {0.6}}},
          Json{{"logps", {-1.1, -0.6, -0.5}},
               {"ref_logps", {-0.9, -0.6, -0.6}},
               {"old_logps", {-1.0, -0.7, -0.5}},
               {"scores", {0.1}}}};
}

std::vector<std::vector<std::string>> answer_tokens() {
  return {{"Let's", " look", " together", "."}, {"That's", " your", " fault"}};
}

WorkedExample pair_example(bool whole_distribution) {
  WorkedExample example{kPrompt, answer_tokens(), {"chosen", "rejected"}, {}};
  std::vector<Json> rows = answers();
  if (whole_distribution) {  // a vocabulary of three words is enough to see a distribution move
    rows = {Json{{"ids", {0, 2}},
                 {"logits", {{1.2, 0.1, -0.3}, {0.2, 0.4, 0.9}}},
                 {"ref_logits", {{0.9, 0.2, -0.1}, {0.3, 0.5, 0.6}}}},
            Json{{"ids", {1, 0}},
                 {"logits", {{0.4, 0.8, -0.5}, {0.7, 0.1, 0.2}}},
                 {"ref_logits", {{0.6, 0.5, -0.4}, {0.5, 0.2, 0.3}}}}};
    example.tokens = {{"Let's", " look"}, {"That's", " bad"}};
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i]["group"] = 0;
    rows[i]["rank"] = i;
  }
  example.fixture = {{"candidates", rows}};
  return example;
}

WorkedExample label_example() {
  WorkedExample example{kPrompt, answer_tokens(), {"good", "bad"}, {}};
  std::vector<Json> rows = answers();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i]["group"] = i;
    rows[i]["label"] = i == 0;
    rows[i]["kl_logps"] = i == 0 ? Json{-2.0, -1.1} : Json{-1.4, -0.9};
    rows[i]["kl_ref_logps"] = i == 0 ? Json{-2.1, -1.2} : Json{-1.5, -0.8};
  }
  example.fixture = {{"candidates", rows}};
  return example;
}

WorkedExample group_example() {
  WorkedExample example{kPrompt, answer_tokens(), {"reward 1", "reward 0", "reward 0.5"}, {}};
  std::vector<Json> rows = answers();
  rows.push_back(
      {{"logps", {-0.3, -1.2}}, {"ref_logps", {-0.4, -1.0}}, {"old_logps", {-0.3, -1.0}}, {"scores", {0.3}}});
  example.tokens.push_back({"Oh", " no"});
  const std::vector<double> rewards = {1, 0, 0.5};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i]["group"] = 0;
    rows[i]["rank"] = i;
    rows[i]["reward"] = rewards[i];
  }
  example.fixture = {{"candidates", rows}};
  return example;
}

WorkedExample demonstration_example() {
  WorkedExample example{kPrompt, {answer_tokens()[0]}, {"a demonstration"}, {}};
  example.fixture = {{"candidates", {answers()[0]}}};
  return example;
}

}  // namespace

WorkedExample worked_example(const Method& method) {
  bool whole_distribution = false;
  for (const Need& need : method.needs()) {
    whole_distribution |= !need.optional && (need.signal == "reference_kl" || need.signal == "wpo_weight");
  }
  switch (method.feedback()) {
    case Feedback::kDemonstrations:
      return demonstration_example();
    case Feedback::kPairs:
      return pair_example(whole_distribution);
    case Feedback::kLabels:
      return label_example();
    case Feedback::kGroups:
    case Feedback::kLists:
      return group_example();
  }
  return {};
}

std::string in_words(const std::vector<double>& coefficients, const std::vector<std::string>& tokens) {
  if (coefficients.empty()) return "not moved";
  const auto [least, most] = std::minmax_element(coefficients.begin(), coefficients.end());
  constexpr double kNothing = 1e-12;
  if (std::max(std::abs(*least), std::abs(*most)) < kNothing)
    return "not moved: nothing to learn from it here";
  if (*most - *least < 1e-9 * std::abs(*most)) {
    return fmt::format("made {} likely: every token is pushed {} by {:.4g}", *most > 0 ? "more" : "less",
                       *most > 0 ? "up" : "down", std::abs(*most));
  }
  const auto strongest = std::max_element(coefficients.begin(), coefficients.end(),
                                          [](double a, double b) { return std::abs(a) < std::abs(b); });
  const auto index = static_cast<std::size_t>(strongest - coefficients.begin());
  const std::string on =
      index < tokens.size() ? fmt::format("'{}'", tokens[index]) : fmt::format("token {}", index);
  const char* direction =
      *least >= 0 ? "made more likely" : (*most <= 0 ? "made less likely" : "moved both ways");
  return fmt::format("{}: pushes from {:.4g} to {:.4g}, the strongest on {}", direction, *least, *most, on);
}

}  // namespace attune::algorithm
