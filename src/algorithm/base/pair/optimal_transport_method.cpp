#include "algorithm/base/pair/optimal_transport_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/row_needs.h"

namespace attune::algorithm {

record::FeedbackNeeds OptimalTransportMethod::feedback_needs() const {
  return {{required(
      "hard preferences",
      "soft labels (\"preference\") belong to single pairs, and this method sorts over all of a step",
      [](std::span<const Candidate> group, std::span<const Pair> pairs) {
        const bool hard = std::ranges::all_of(pairs, [&](const Pair& pair) {
          return preference_of(group[pair.chosen], group[pair.rejected]) == 1;
        });
        return hard ? std::string() : std::string("a preference that is not 1 or 0");
      })}};
}

void OptimalTransportMethod::declare(core::Fields& fields) {
  declare_label_smoothing(fields, label_smoothing_, "Fraction of pairs whose preference is assumed flipped.");
}

at::Tensor OptimalTransportMethod::pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const {
  const auto sorted = [](const at::Tensor& values) { return std::get<0>(values.sort(0)); };
  const auto [first, second] = sides(pairs);
  return smoothed_logistic(beta_ * (sorted(first) - sorted(second)), label_smoothing_);
}

}  // namespace attune::algorithm
