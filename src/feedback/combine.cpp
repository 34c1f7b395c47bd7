#include "feedback/combine.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace attune::feedback {

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
  const auto count = static_cast<double>(rewards.size());
  const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / count;
  if (name == "mean") return mean;
  double spread = 0;
  for (const double reward : rewards) spread += (reward - mean) * (reward - mean);
  return mean - lambda * spread / count;
}

}  // namespace attune::feedback
