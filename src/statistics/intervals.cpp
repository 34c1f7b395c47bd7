#include "statistics/intervals.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>
#include <sstream>
#include <unordered_map>

#include "core/random.h"

namespace attune::statistics {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // Φ⁻¹(0.975)

std::vector<double> known(std::span<const double> values) {
  std::vector<double> kept;
  std::ranges::copy_if(values, std::back_inserter(kept), [](double value) { return !std::isnan(value); });
  return kept;
}

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// Unbiased variance; 0 for fewer than two values.
double variance_of(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

double count_of(std::span<const double> counts, std::size_t i) { return counts.empty() ? 1 : counts[i]; }

/// The clusters that have numbers on both sides.
struct Clusters {
  std::vector<double> old_sums, old_counts, new_sums, new_counts;

  Clusters(const ClusterSums& before, const ClusterSums& after) {
    for (std::size_t i = 0; i < std::min(before.sums.size(), after.sums.size()); ++i) {
      const double counts[] = {count_of(before.counts, i), count_of(after.counts, i)};
      const bool both = std::isfinite(before.sums[i]) && std::isfinite(after.sums[i]) && counts[0] > 0 &&
                        counts[1] > 0 && std::isfinite(counts[0]) && std::isfinite(counts[1]);
      if (!both) continue;
      old_sums.push_back(before.sums[i]);
      new_sums.push_back(after.sums[i]);
      old_counts.push_back(counts[0]);
      new_counts.push_back(counts[1]);
    }
  }
};

/// P(|t| < t0) for whole degrees of freedom: the finite sums of Abramowitz & Stegun 26.7.3 and 26.7.4.
double central_probability(double t0, std::int64_t freedom) {
  const double theta = std::atan(t0 / std::sqrt(static_cast<double>(freedom)));
  const double cosine = std::cos(theta), square = cosine * cosine;
  const bool odd = freedom % 2 == 1;
  double term = odd ? cosine : 1, sum = freedom > 1 ? term : 0;
  for (std::int64_t k = odd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= square * static_cast<double>(k - 1) / static_cast<double>(k);
    sum += term;
  }
  return odd ? 2 / std::numbers::pi * (theta + std::sin(theta) * sum) : std::sin(theta) * sum;
}

/// The normal quantile corrected in powers of 1/ν (Abramowitz & Stegun 26.7.5); exact to 1e-10 from ν = 200
/// on.
double expanded_quantile(double freedom) {
  const double z = kNormalQuantile, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom);
}

/// Sorted values at a fraction of their range of ranks, interpolated.
double quantile(std::span<const double> sorted, double fraction) {
  const double rank = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double t_quantile(std::int64_t freedom) {
  if (freedom < 1) return kUnknown;
  if (freedom > 200) return expanded_quantile(static_cast<double>(freedom));
  double low = 1, high = 13;  // 12.706 for one degree of freedom
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = (low + high) / 2;
    (central_probability(middle, freedom) < 0.95 ? low : high) = middle;
  }
  return low;
}

Estimate mean_estimate(std::span<const double> values) {
  const auto kept = known(values);
  Estimate estimate;
  estimate.count = static_cast<std::int64_t>(kept.size());
  if (kept.empty()) return estimate;
  estimate.value = mean_of(kept);
  if (kept.size() < 2) return estimate;
  estimate.standard_error = std::sqrt(variance_of(kept) / static_cast<double>(kept.size()));
  const double reach = t_quantile(estimate.count - 1) * estimate.standard_error;
  estimate.low = estimate.value - reach;
  estimate.high = estimate.value + reach;
  return estimate;
}

Estimate paired_difference(std::span<const double> before, std::span<const double> after) {
  std::vector<double> differences(std::min(before.size(), after.size()));
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] = after[i] - before[i];
  return mean_estimate(differences);
}

Estimate difference(std::span<const double> before, std::span<const double> after) {
  const auto old_values = known(before), new_values = known(after);
  Estimate estimate;
  estimate.count = static_cast<std::int64_t>(old_values.size() + new_values.size());
  if (old_values.empty() || new_values.empty()) return estimate;
  estimate.value = mean_of(new_values) - mean_of(old_values);
  if (old_values.size() < 2 || new_values.size() < 2) return estimate;
  const auto old_count = static_cast<double>(old_values.size()),
             new_count = static_cast<double>(new_values.size());
  const double a = variance_of(old_values) / old_count, b = variance_of(new_values) / new_count;
  estimate.standard_error = std::sqrt(a + b);
  if (a + b > 0) {
    const double part = a / (a + b), other = b / (a + b);  // squares of a and b themselves may overflow
    const double freedom = 1 / (part * part / (old_count - 1) + other * other / (new_count - 1));
    if (!std::isfinite(freedom)) return estimate;
    const double reach =
        t_quantile(std::max<std::int64_t>(1, std::llround(freedom))) * estimate.standard_error;
    estimate.low = estimate.value - reach;
    estimate.high = estimate.value + reach;
  } else {
    estimate.low = estimate.high = estimate.value;
  }
  return estimate;
}

double ClusterSums::mean() const {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) sum += sums[i], count += count_of(counts, i);
  return count > 0 ? sum / count : kUnknown;
}

std::vector<double> cluster_contributions(const ClusterSums& side) {
  const double mean = side.mean(), clusters = static_cast<double>(side.sums.size());
  double total = 0;
  for (std::size_t i = 0; i < side.sums.size(); ++i) total += count_of(side.counts, i);
  std::vector<double> added;
  for (std::size_t i = 0; i < side.sums.size(); ++i)
    added.push_back(mean + clusters * (side.sums[i] - mean * count_of(side.counts, i)) / total);
  return added;
}

Estimate clustered_change(const ClusterSums& before, const ClusterSums& after, bool shares) {
  const Clusters pairs(before, after);
  Estimate estimate;
  estimate.count = static_cast<std::int64_t>(pairs.old_sums.size());
  const ClusterSums old_side{pairs.old_sums, pairs.old_counts}, new_side{pairs.new_sums, pairs.new_counts};
  const double old_mean = old_side.mean(), new_mean = new_side.mean();
  if (std::isnan(old_mean) || std::isnan(new_mean)) return estimate;
  estimate.value = new_mean - old_mean;
  if (estimate.count < 2) return estimate;
  std::vector<double> shifts = cluster_contributions(new_side);
  const auto old_added = cluster_contributions(old_side);
  for (std::size_t i = 0; i < shifts.size(); ++i) shifts[i] -= old_added[i];
  if (shares) shifts.insert(shifts.end(), {1.0, -1.0});
  const Estimate over = mean_estimate(shifts);
  estimate.standard_error = over.standard_error;
  estimate.low = shares ? std::max(over.low, -old_mean) : over.low;
  estimate.high = shares ? std::min(over.high, 1 - old_mean) : over.high;
  return estimate;
}

Estimate bootstrap(std::span<const double> values, const Statistic& statistic, std::uint64_t seed,
                   int resamples) {
  const auto kept = known(values);
  Estimate estimate;
  estimate.count = static_cast<std::int64_t>(kept.size());
  if (kept.empty()) return estimate;
  estimate.value = statistic(kept);
  if (kept.size() < 2 || resamples < 2) return estimate;
  std::vector<double> results(static_cast<std::size_t>(resamples)), drawn(kept.size());
  for (std::size_t resample = 0; resample < results.size(); ++resample) {
    core::RandomKey key{.seed = seed, .purpose = core::Purpose::kBootstrap, .step = resample};
    for (std::size_t draw = 0; draw < drawn.size(); ++draw) {
      key.record = draw;
      drawn[draw] = kept[static_cast<std::size_t>(core::uniform(key) * static_cast<double>(kept.size()))];
    }
    results[resample] = statistic(drawn);
  }
  std::ranges::sort(results);
  estimate.standard_error = std::sqrt(variance_of(results));
  estimate.low = quantile(results, 0.025);
  estimate.high = quantile(results, 0.975);
  return estimate;
}

WinRate win_rate(std::int64_t wins, std::int64_t ties, std::int64_t losses) {
  WinRate rate{.wins = wins, .ties = ties, .losses = losses};
  const auto count = static_cast<double>(wins + ties + losses);
  if (count <= 0) return rate;
  const double p = (static_cast<double>(wins) + static_cast<double>(ties) / 2) / count;
  const double z2 = kNormalQuantile * kNormalQuantile;
  const double centre = (p + z2 / (2 * count)) / (1 + z2 / count);
  const double reach =
      kNormalQuantile / (1 + z2 / count) * std::sqrt(p * (1 - p) / count + z2 / (4 * count * count));
  rate.value = p;
  rate.low = centre - reach;
  rate.high = centre + reach;
  return rate;
}

WinRate win_rate(std::span<const double> before, std::span<const double> after, double tie_width) {
  std::int64_t wins = 0, ties = 0, losses = 0;
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    const double change = after[i] - before[i];
    if (std::isnan(change)) continue;
    ++(change > tie_width ? wins : change < -tie_width ? losses : ties);
  }
  return win_rate(wins, ties, losses);
}

double distinct_n(std::span<const std::vector<std::int32_t>> texts, int n) {
  const auto length = static_cast<std::size_t>(std::max(n, 1));
  std::set<std::vector<std::int32_t>> seen;
  std::int64_t total = 0;
  for (const auto& text : texts) {
    for (std::size_t start = 0; start + length <= text.size(); ++start, ++total) {
      const auto begin = text.begin() + static_cast<std::ptrdiff_t>(start);
      seen.emplace(begin, begin + static_cast<std::ptrdiff_t>(length));
    }
  }
  return total == 0 ? kUnknown : static_cast<double>(seen.size()) / static_cast<double>(total);
}

double distinct_n(std::span<const std::string> texts, int n) {
  std::unordered_map<std::string, std::int32_t> words;
  std::vector<std::vector<std::int32_t>> numbered;
  for (const auto& text : texts) {
    std::istringstream stream(text);
    auto& ids = numbered.emplace_back();
    for (std::string word; stream >> word;) {
      ids.push_back(words.try_emplace(word, static_cast<std::int32_t>(words.size())).first->second);
    }
  }
  return distinct_n(std::span<const std::vector<std::int32_t>>(numbered), n);
}

}  // namespace attune::statistics
