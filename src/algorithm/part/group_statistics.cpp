#include "algorithm/part/group_statistics.h"

#include <cmath>
#include <limits>

namespace attune::algorithm {

namespace {

constexpr double kDeviationEpsilon = 1e-4;  // TRL's; verl and NeMo take 1e-6, OpenRLHF 1e-9
constexpr double kNoSpread = 1e-8;          // absolute tolerance of torch.isclose, which TRL's metric uses

/// A single candidate counts as without spread, several without rewards as unknown.
double deviation_of(std::span<const double> values) {
  return values.size() == 1 ? 0 : mean_deviation(values).deviation;
}

}  // namespace

MeanDeviation mean_deviation(std::span<const double> values) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    count += 1;
  }
  if (count == 0) return {nan, nan};
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += std::isnan(value) ? 0 : (value - mean) * (value - mean);
  return {mean, count > 1 ? std::sqrt(squares / (count - 1)) : nan};
}

std::vector<std::pair<std::size_t, std::size_t>> group_ranges(const std::vector<Candidate>& candidates) {
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i == 0 || candidates[i].group != candidates[i - 1].group) ranges.emplace_back(i, i);
    ranges.back().second = i + 1;
  }
  return ranges;
}

bool without_spread(std::span<const Candidate> group) {
  std::vector<double> rewards;
  for (const Candidate& candidate : group) rewards.push_back(record::reward_of(candidate));
  return std::abs(deviation_of(rewards)) <= kNoSpread;
}

GroupAdvantages group_advantages(const std::vector<Candidate>& candidates, RewardScale scale) {
  std::vector<double> rewards;
  for (const Candidate& candidate : candidates) rewards.push_back(record::reward_of(candidate));
  const double step_deviation = deviation_of(rewards);
  GroupAdvantages result;
  for (const auto& [begin, end] : group_ranges(candidates)) {
    const std::span<const double> group(rewards.data() + begin, end - begin);
    const double mean = mean_deviation(group).mean;
    const double deviation = scale == RewardScale::kBatch ? step_deviation : deviation_of(group);
    for (const double reward : group) {
      const double centred = reward - mean;
      const double advantage =
          scale == RewardScale::kNone ? centred : centred / (deviation + kDeviationEpsilon);
      result.advantages.push_back(std::isnan(advantage) ? 0 : advantage);
      result.no_spread.push_back(std::abs(deviation) <= kNoSpread);
    }
  }
  return result;
}

}  // namespace attune::algorithm
