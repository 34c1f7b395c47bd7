#include "feedback/combine.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace attune::feedback {

namespace {

double mean_of(std::span<const double> rewards) {
  return std::accumulate(rewards.begin(), rewards.end(), 0.0) / static_cast<double>(rewards.size());
}

}  // namespace

double population_variance(std::span<const double> rewards) {
  ATTUNE_ASSERT(!rewards.empty());
  const double mean = mean_of(rewards);
  double squares = 0;
  for (const double reward : rewards) squares += (reward - mean) * (reward - mean);
  return squares / static_cast<double>(rewards.size());
}

void Combination::declare(core::Fields& fields) {
  fields
      .add(
          "combine", name,
          "What several models' rewards become: their mean, the worst of them, or uwo, the mean less lambda times "
          "their variance.")
      .one_of({"mean", "worst", "uwo"});
  fields.add("lambda", lambda, "Of uwo: weight of the models' (population) variance.").non_negative();
}

double Combination::of(std::span<const double> rewards) const {
  ATTUNE_ASSERT(!rewards.empty());
  if (name == "worst") return std::ranges::min(rewards);
  return mean_of(rewards) - (name == "uwo" ? lambda * population_variance(rewards) : 0);
}

}  // namespace attune::feedback
