#include "algorithm/base/pair/score_pair_method.h"

#include <ATen/ATen.h>

#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

ScorePairs scores_of(const PairIndex& index, const at::Tensor& scores) {
  return {index, scores.index_select(0, index.chosen), scores.index_select(0, index.rejected)};
}

}  // namespace

at::Tensor ScorePairs::gap() const { return chosen - rejected; }
at::Tensor ScorePairs::bradley_terry() const { return -at::log_sigmoid(gap() - index.margin); }

Loss ScorePairMethod::loss(const Batch& batch, const State& /*state*/) const {
  const PairIndex index = pairs_of(batch);
  const at::Tensor& scores = batch.signal("score");
  const at::Tensor per_pair = soft_pair_loss(
      index, [&](const PairIndex& ordered) { return pair_loss(scores_of(ordered, scores), batch); });
  const ScorePairs pairs = scores_of(index, scores);
  Loss result;
  result.value = (per_pair * index.weights(batch) * index.share).sum() / batch.totals.groups;
  result.metrics["min_reward"] = Metric::min(scores.min().item<double>());
  result.metrics["mean_reward"] = mean_metric(scores);
  result.metrics["max_reward"] = Metric::max(scores.max().item<double>());
  result.metrics["accuracy"] = mean_metric((pairs.chosen > pairs.rejected).to(at::kDouble));
  result.metrics["margin"] = mean_metric(pairs.gap());
  add_metrics(pairs, batch, result.metrics);
  return result;
}

}  // namespace attune::algorithm
