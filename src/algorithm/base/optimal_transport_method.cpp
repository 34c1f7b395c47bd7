#include "algorithm/base/optimal_transport_method.h"

#include <ATen/ATen.h>

namespace attune::algorithm {

void OptimalTransportMethod::declare(core::Fields& fields) {
  declare_label_smoothing(fields, label_smoothing_, "Fraction of pairs whose preference is assumed flipped.");
}

at::Tensor OptimalTransportMethod::pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const {
  const auto sorted = [](const at::Tensor& values) { return std::get<0>(values.sort(0)); };
  const auto [first, second] = sides(pairs);
  return smoothed_logistic(beta_ * (sorted(first) - sorted(second)), label_smoothing_);
}

}  // namespace attune::algorithm
