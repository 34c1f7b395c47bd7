#include "algorithm/base/score_method.h"

#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

at::Tensor ScoreMethod::given_rewards(const Batch& batch) const {
  std::vector<double> rewards;
  std::int64_t missing = 0;
  for (const Candidate& candidate : batch.candidates) {
    rewards.push_back(record::reward_of(candidate));
    missing += std::isfinite(rewards.back()) ? 0 : 1;
  }
  if (missing > 0)
    core::fail_request(
        "{} of {} candidates of this step have no finite 'reward', which method '{}' learns from", missing,
        batch.size(), info().name);
  return vector_of(rewards);
}

Loss ScoreMethod::loss(const Batch& batch, const State& /*state*/) const {
  const at::Tensor& scores = batch.signal("score");
  std::vector<double> weights;
  for (const Candidate& candidate : batch.candidates) weights.push_back(candidate.weight);
  Loss result;
  result.value = (losses(scores, batch) * vector_of(weights)).sum() / batch.totals.candidates;
  result.metrics["min_reward"] = Metric::min(scores.min().item<double>());
  result.metrics["mean_reward"] = mean_metric(scores);
  result.metrics["max_reward"] = Metric::max(scores.max().item<double>());
  return result;
}

}  // namespace attune::algorithm
