#include "algorithm/base/pair/reward_gaps.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

/// By how much one answer was rated better than another one; nothing where that is not said, or contradicted.
std::optional<double> gap_between(const Candidate& one, const Candidate& other, double margin) {
  const double rewards = record::reward_of(one) - record::reward_of(other);
  const double gap = std::isnan(rewards) ? margin : rewards;
  const bool contradicted = one.rank && other.rank && (*one.rank < *other.rank) != (gap > 0);
  if (!std::isfinite(gap) || gap == 0 || contradicted) return std::nullopt;
  return gap;
}

}  // namespace

record::RowNeed known_gaps() {
  return required(
      "reward gaps",
      "by how much an answer is better is not said: give both a \"reward\" that agrees with the preference, or the "
      "chosen one a \"margin\"",
      [](std::span<const Candidate> group, std::span<const Pair> pairs) -> std::string {
        for (const Pair& pair : pairs) {
          const Candidate &better = group[pair.chosen], &worse = group[pair.rejected];
          if (!gap_between(better, worse, better.margin.value_or(0)))
            return fmt::format("answers {} and {}", better.index + 1, worse.index + 1);
        }
        return "";
      });
}

record::RowNeed known_rewards() {
  return required("rewards", "answers without a \"reward\"",
                  [](std::span<const Candidate> group, std::span<const Pair>) -> std::string {
                    const auto found =
                        std::ranges::find_if(group, [](const Candidate& c) { return !c.reward; });
                    return found == group.end() ? "" : fmt::format("answer {} has none", found->index + 1);
                  });
}

at::Tensor reward_gaps(const PairIndex& pairs, const Batch& batch, const std::string& method) {
  std::vector<double> gaps;
  std::int64_t unusable = 0;
  std::string example;
  const std::int64_t count = pairs.chosen.size(0);
  for (std::int64_t i = 0; i < count; ++i) {
    const Candidate &one = batch.candidates[pairs.chosen[i].item<std::int64_t>()],
                    &other = batch.candidates[pairs.rejected[i].item<std::int64_t>()];
    const auto gap = gap_between(one, other, pairs.margin[i].item<double>());
    gaps.push_back(gap.value_or(0));
    if (gap) continue;
    if (unusable++ == 0)
      example = fmt::format("candidates {} and {} of group {}", one.index, other.index, one.group);
  }
  if (unusable > 0) {
    core::fail_request(
        "{} of {} pairs of this step do not say by how much the preferred answer is better ({} are the "
        "first), which method '{}' learns from: give both a 'reward' that agrees with the preference, or the "
        "chosen one a 'margin'",
        unusable, count, example, method);
  }
  return vector_of(gaps);
}

}  // namespace attune::algorithm
