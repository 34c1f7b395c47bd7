// The pairs of a batch and what is summed over them.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

double preference_of(const Candidate& chosen, const Candidate& rejected) {
  if (chosen.preference) return *chosen.preference;
  return rejected.preference ? 1 - *rejected.preference : 1;
}

PairIndex pairs_of(const Batch& batch) {
  if (batch.pairs.empty())
    core::fail_request("the method learns from pairs, and no candidate of this step is preferred to another");
  std::vector<std::int64_t> chosen, rejected;
  std::vector<double> share, preference, margin;
  PairIndex index;
  for (const Pair& pair : batch.pairs) {
    const Candidate &better = batch.candidates[pair.chosen], &worse = batch.candidates[pair.rejected];
    chosen.push_back(static_cast<std::int64_t>(pair.chosen));
    rejected.push_back(static_cast<std::int64_t>(pair.rejected));
    share.push_back(pair.weight);
    preference.push_back(preference_of(better, worse));
    margin.push_back(better.margin.value_or(0));
    index.soft = index.soft || preference.back() != 1;
  }
  index.chosen = at::tensor(chosen, at::kLong);
  index.rejected = at::tensor(rejected, at::kLong);
  index.share = vector_of(share);
  index.preference = vector_of(preference);
  index.margin = vector_of(margin);
  return index;
}

PairIndex PairIndex::swapped() const { return {rejected, chosen, share, 1 - preference, -margin, soft}; }

at::Tensor PairIndex::weights(const Batch& batch) const {
  std::vector<double> given;
  for (const Candidate& candidate : batch.candidates) given.push_back(candidate.weight);
  const at::Tensor weights = vector_of(given);
  return (weights.index_select(0, chosen) + weights.index_select(0, rejected)) / 2;
}

at::Tensor soft_pair_loss(const PairIndex& pairs, const std::function<at::Tensor(const PairIndex&)>& loss) {
  if (!pairs.soft) return loss(pairs);
  return pairs.preference * loss(pairs) + (1 - pairs.preference) * loss(pairs.swapped());
}

at::Tensor pair_sums(const at::Tensor& per_token, const at::Tensor& side, const at::Tensor& other,
                     const core::Offsets& offsets, double beyond) {
  if (beyond == 1) return segment_sum(per_token, offsets).index_select(0, side);
  std::vector<std::int64_t> tokens;
  std::vector<double> weights;
  core::Offsets ends = {0};
  const auto length = [&](std::int64_t i) { return offsets[i + 1] - offsets[i]; };
  for (std::int64_t pair = 0; pair < side.size(0); ++pair) {
    const auto own = side[pair].item<std::int64_t>();
    const std::int64_t shared = std::min(length(own), length(other[pair].item<std::int64_t>()));
    for (std::int64_t t = 0; t < length(own); ++t) {
      tokens.push_back(offsets[own] + t);
      weights.push_back(t < shared ? 1 : beyond);
    }
    ends.push_back(std::ssize(tokens));
  }
  return segment_sum(per_token.index_select(0, at::tensor(tokens, at::kLong)) * vector_of(weights), ends);
}

at::Tensor PairTerms::Side::per_token(const at::Tensor& sum) const { return sum / tokens.clamp_min(1); }

at::Tensor PairTerms::delta() const { return chosen.score - rejected.score; }

at::Tensor smoothed_logistic(const at::Tensor& u, double label_smoothing) {
  if (label_smoothing == 0) return -at::log_sigmoid(u);
  return -(1 - label_smoothing) * at::log_sigmoid(u) - label_smoothing * at::log_sigmoid(-u);
}

}  // namespace attune::algorithm
