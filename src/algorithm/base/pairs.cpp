// Finding the pairs of a batch.
#include <ATen/ATen.h>

#include "algorithm/base/pair_method.h"
#include "core/error.h"

namespace attune::algorithm {

PairIndex pairs_of(const Batch& batch) {
  std::vector<std::int64_t> chosen, rejected;
  const std::int64_t size = batch.size();
  for (std::int64_t begin = 0, end = 0; begin < size; begin = end) {
    std::int64_t good = -1, bad = -1;
    for (end = begin; end < size && batch.candidates[end].group == batch.candidates[begin].group; ++end) {
      if (batch.candidates[end].role == Role::kChosen) good = end;
      if (batch.candidates[end].role == Role::kRejected) bad = end;
    }
    if (end - begin != 2 || good < 0 || bad < 0) {
      core::fail_request(
          "group {}: a pair is one chosen and one rejected candidate, but {} candidate(s){} were found",
          batch.candidates[begin].group, end - begin,
          good < 0 ? " without a chosen one" : (bad < 0 ? " without a rejected one" : ""));
    }
    chosen.push_back(good);
    rejected.push_back(bad);
  }
  return {at::tensor(chosen, at::kLong), at::tensor(rejected, at::kLong)};
}

at::Tensor PairTerms::delta() const { return chosen.score - rejected.score; }

at::Tensor smoothed_logistic(const at::Tensor& u, double label_smoothing) {
  if (label_smoothing == 0) return -at::log_sigmoid(u);
  return -(1 - label_smoothing) * at::log_sigmoid(u) - label_smoothing * at::log_sigmoid(-u);
}

}  // namespace attune::algorithm
