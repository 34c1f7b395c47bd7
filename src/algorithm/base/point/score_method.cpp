#include "algorithm/base/point/score_method.h"

#include <ATen/ATen.h>

#include "algorithm/part/candidates.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

Loss ScoreMethod::loss(const Batch& batch, const State& /*state*/) const {
  const at::Tensor& scores = batch.signal("score");
  Loss result;
  result.value = (losses(scores, batch) * weights_of(batch.candidates)).sum() / batch.totals.candidates;
  result.metrics["min_reward"] = Metric::min(scores.min().item<double>());
  result.metrics["mean_reward"] = mean_metric(scores);
  result.metrics["max_reward"] = Metric::max(scores.max().item<double>());
  return result;
}

}  // namespace attune::algorithm
