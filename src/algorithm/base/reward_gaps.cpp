#include "algorithm/base/reward_gaps.h"

#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

at::Tensor reward_gaps(const PairIndex& pairs, const Batch& batch, const std::string& method) {
  std::vector<double> gaps;
  std::int64_t unusable = 0;
  std::string example;
  const std::int64_t count = pairs.chosen.size(0);
  for (std::int64_t i = 0; i < count; ++i) {
    const Candidate &one = batch.candidates[pairs.chosen[i].item<std::int64_t>()],
                    &other = batch.candidates[pairs.rejected[i].item<std::int64_t>()];
    const double rewards = record::reward_of(one) - record::reward_of(other);
    const double gap = std::isnan(rewards) ? pairs.margin[i].item<double>() : rewards;
    gaps.push_back(gap);
    const bool contradicted = one.rank && other.rank && (*one.rank < *other.rank) != (gap > 0);
    if (std::isfinite(gap) && gap != 0 && !contradicted) continue;
    if (unusable++ == 0)
      example = fmt::format("candidates {} and {} of group {}", one.index, other.index, one.group);
  }
  if (unusable > 0) {
    core::fail_request(
        "{} of {} pairs of this step do not say by how much the preferred answer is better ({} are the "
        "first), which "
        "method '{}' learns from: give both a 'reward' that agrees with the preference, or the chosen one a "
        "'margin'",
        unusable, count, example, method);
  }
  return vector_of(gaps);
}

}  // namespace attune::algorithm
