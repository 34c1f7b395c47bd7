#include "feedback/step_rewards.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/error.h"

namespace attune::feedback {

void StepRewardOptions::declare(core::Fields& fields) {
  fields
      .add("aggregate", aggregate,
           "Of a process reward model: how the probabilities that the steps are right become one reward.")
      .one_of({"product", "min", "last", "mean"});
  fields.add("step_separator", separator,
             "Of a process reward model: what ends a step of an answer that does not come in steps.");
}

double reward_of_steps(std::span<const double> probabilities, std::string_view aggregate) {
  ATTUNE_ASSERT(!probabilities.empty());
  if (aggregate == "last") return probabilities.back();
  if (aggregate == "min") return *std::ranges::min_element(probabilities);
  const auto begin = probabilities.begin(), end = probabilities.end();
  if (aggregate == "mean")
    return std::accumulate(begin, end, 0.0) / static_cast<double>(probabilities.size());
  ATTUNE_ASSERT(aggregate == "product");
  return std::accumulate(begin, end, 1.0, std::multiplies<>());
}

std::vector<std::string> split_steps(std::string_view text, std::string_view separator) {
  std::vector<std::string> steps;
  while (!text.empty()) {
    const std::size_t found = separator.empty() ? std::string_view::npos : text.find(separator);
    const std::size_t length = found == std::string_view::npos ? text.size() : found + separator.size();
    const std::string_view step = text.substr(0, length);
    const bool blank = step.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (blank && !steps.empty())
      steps.back() += step;
    else
      steps.emplace_back(step);
    text.remove_prefix(length);
  }
  return steps;
}

}  // namespace attune::feedback
