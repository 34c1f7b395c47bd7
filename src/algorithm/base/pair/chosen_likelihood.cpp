#include "algorithm/base/pair/chosen_likelihood.h"

#include <ATen/ATen.h>

#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

at::Tensor nll_of_chosen(const PairTerms& pairs, const Batch& batch) {
  return -segment_sum(batch.signal("logps"), batch.offsets).index_select(0, pairs.index.chosen);
}

}  // namespace

void fix_chosen_tokens(Batch& step) {
  const PairIndex pairs = pairs_of(step);
  const at::Tensor tokens = lengths(step.offsets).index_select(0, pairs.chosen);
  const double counted = (tokens * pairs.share).sum().item<double>();
  step.fix("chosen_tokens", Positions::kLast, at::full({step.size()}, counted, at::kDouble));
}

at::Tensor chosen_nll(const PairTerms& pairs, const Batch& batch) {
  return nll_of_chosen(pairs, batch) * (batch.totals.groups / batch.fixed("chosen_tokens")[0]);
}

void add_nll_metric(const PairTerms& pairs, const Batch& batch, Metrics& metrics) {
  const at::Tensor& share = pairs.index.share;
  metrics["nll_loss"] = Metric::mean((nll_of_chosen(pairs, batch).detach() * share).sum().item<double>(),
                                     (pairs.chosen.tokens * share).sum().item<double>());
}

}  // namespace attune::algorithm
