#include "algorithm/part/rollout_metrics.h"

#include <algorithm>
#include <numeric>

#include "algorithm/part/group_statistics.h"

namespace attune::algorithm {

namespace {

void add_lengths(const std::string& suffix, std::vector<double> lengths, Metrics& metrics) {
  if (lengths.empty()) lengths.push_back(0);
  const auto [least, most] = std::minmax_element(lengths.begin(), lengths.end());
  const double sum = std::accumulate(lengths.begin(), lengths.end(), 0.0);
  metrics["completions/mean_" + suffix] = Metric::mean(sum, static_cast<double>(lengths.size()));
  metrics["completions/min_" + suffix] = Metric::min(*least);
  metrics["completions/max_" + suffix] = Metric::max(*most);
}

}  // namespace

void add_reward_metrics(const std::vector<Candidate>& candidates, const std::vector<bool>& no_spread,
                        Metrics& metrics) {
  std::vector<double> rewards;
  for (const Candidate& candidate : candidates) rewards.push_back(record::reward_of(candidate));
  const MeanDeviation step = mean_deviation(rewards);
  metrics["reward"] = Metric::mean(step.mean, 1);
  metrics["reward_std"] = Metric::mean(step.deviation, 1);
  metrics["frac_reward_zero_std"] =
      Metric::mean(static_cast<double>(std::count(no_spread.begin(), no_spread.end(), true)),
                   static_cast<double>(no_spread.size()));
}

void add_length_metrics(const Batch& step, Metrics& metrics) {
  std::vector<double> all, terminated;
  for (std::int64_t i = 0; i < step.size(); ++i) {
    all.push_back(static_cast<double>(step.offsets[i + 1] - step.offsets[i]));
    if (!record::was_cut(step.candidates[i])) terminated.push_back(all.back());
  }
  const double clipped = static_cast<double>(all.size() - terminated.size());
  metrics["completions/clipped_ratio"] = Metric::mean(clipped, static_cast<double>(all.size()));
  add_lengths("length", std::move(all), metrics);
  add_lengths("terminated_length", std::move(terminated), metrics);
}

}  // namespace attune::algorithm
