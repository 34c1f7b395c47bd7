// Runs that broke: gradients of zero, and a model that has nothing left to say.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/finding/findings.h"
#include "report/finding/warnings.h"

namespace attune::report {
namespace {

constexpr std::size_t kFewSteps = 3;

/// Logged steps at the end whose gradient is exactly zero.
std::size_t steps_without_gradient(const ReportInput& input) {
  const Series* norm = input.metrics.find("grad_norm");
  if (norm == nullptr) return 0;
  const auto& values = norm->values;
  const auto moved = std::find_if(values.rbegin(), values.rend(), [](double value) { return value != 0; });
  return static_cast<std::size_t>(moved - values.rbegin());
}

/// Rewards or pairs that teach nothing explain it, and other warnings say so.
bool data_explain_it(const ReportInput& input) {
  const Series* flat = input.metrics.find("frac_reward_zero_std");
  return pairs_are_told_apart(input) || (flat != nullptr && late_mean(*flat) > 0.5);
}

double vocabulary_of(const ReportInput& input) {
  const auto size = input.run.is_object() ? input.run.find("vocabulary") : input.run.end();
  return size != input.run.end() && size->is_number() ? size->get<double>() : 0;
}

double last_entropy(const ReportInput& input) {
  const Series* entropy = input.metrics.find("entropy");
  return entropy == nullptr || entropy->values.empty() ? std::nan("") : entropy->values.back();
}

}  // namespace

bool gradient_vanished(const ReportInput& input) {
  return steps_without_gradient(input) >= kFewSteps && !data_explain_it(input);
}

bool ends_uniform(const ReportInput& input) {
  const double all = std::log(vocabulary_of(input));
  return all > 0 && std::abs(last_entropy(input) - all) <= 1e-5 * all;
}

void add_stall_warnings(const ReportInput& input, std::vector<std::string>& texts) {
  if (ends_uniform(input))
    texts.push_back(fmt::format(
        "At the end the model gives every token the same probability: the entropy of {} nats is that of a "
        "uniform distribution over its {} tokens, and its loss that of a model that knows nothing. A smaller "
        "training.learning_rate is the first thing to try, and training.max_grad_norm bounds single steps.",
        readable(last_entropy(input)), readable(vocabulary_of(input))));
  if (!gradient_vanished(input)) return;
  const Series& norm = *input.metrics.find("grad_norm");
  const std::size_t count = norm.steps.size(), without = steps_without_gradient(input);
  texts.push_back(fmt::format(
      "The gradient was exactly zero from step {} on, in {} of {} logged steps: nothing was learnt there. A "
      "model that updates have broken has none, and neither has a loss that asks for nothing more.",
      readable(norm.steps[count - without]), without, count));
}

}  // namespace attune::report
