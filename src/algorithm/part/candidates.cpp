#include "algorithm/part/candidates.h"

#include <cmath>

#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

at::Tensor weights_of(const std::vector<record::Candidate>& candidates) {
  std::vector<double> weights;
  for (const record::Candidate& candidate : candidates) weights.push_back(candidate.weight);
  return vector_of(weights);
}

at::Tensor finite_rewards(const std::vector<record::Candidate>& candidates, std::string_view method) {
  std::vector<double> rewards;
  std::int64_t missing = 0;
  for (const record::Candidate& candidate : candidates) {
    rewards.push_back(record::reward_of(candidate));
    missing += std::isfinite(rewards.back()) ? 0 : 1;
  }
  if (missing > 0)
    core::fail_request(
        "{} of {} candidates of this step have no finite 'reward', which method '{}' learns from", missing,
        candidates.size(), method);
  return vector_of(rewards);
}

}  // namespace attune::algorithm
