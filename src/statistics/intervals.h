// How sure a number is: means with standard errors, differences, win rates and diversity, each with the 95 %
// interval that its kind calls for.
//
// NaN marks a missing value everywhere here and is left out (a pair is left out when either side is missing);
// `count` says how many remained. Nothing throws: with too few values the parts that cannot be known are NaN.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace attune::statistics {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct Estimate {
  double value = kUnknown;
  double standard_error = kUnknown;
  double low = kUnknown, high = kUnknown;  ///< 95 % interval
  std::int64_t count = 0;                  ///< values that entered
};

/// The 0.975 quantile of Student's t distribution: t_quantile(1) = 12.706, t_quantile(∞) → 1.95996.
/// @param freedom degrees of freedom, at least 1. Error below 1e-7.
double t_quantile(std::int64_t freedom);

/// Mean, standard error s/√n with the unbiased s (n − 1), and the t interval mean ± t(n − 1)·s/√n. One value:
/// the mean only.
Estimate mean_estimate(std::span<const double> values);

/// Mean of after[i] − before[i] with its t interval: the same prompts before and after. Pairing removes what
/// prompts differ by among themselves. @param before, after of equal length (the shorter one counts
/// otherwise).
Estimate paired_difference(std::span<const double> before, std::span<const double> after);

/// Mean of `after` − mean of `before` for unrelated values: Welch's interval with Satterthwaite's degrees of
/// freedom.
Estimate difference(std::span<const double> before, std::span<const double> after);

/// What was measured on each of several clusters (a prompt with all its records): the sum of the values and
/// how many they are; no counts: one each.
struct ClusterSums {
  std::span<const double> sums, counts;
  /// All sums over all counts; NaN for nothing.
  double mean() const;
};
/// What each cluster adds to the mean: as many numbers, whose mean is the mean and whose scatter, that of a
/// ratio linearised. A cluster without values scatters by nothing.
std::vector<double> cluster_contributions(const ClusterSums& side);

/// Change of a mean, clusters before and after being the same: the ratio's linearised standard error (what a
/// cluster adds to the difference of the two means is one observation) and the t interval over clusters; with
/// counts of one this is paired_difference. Clusters without a number on either side are left out.
/// @param shares values are shares between 0 and 1: the interval is that of Bonett and Price (2012), which
/// adds a cluster that rose from 0 to 1 and one that fell, so that four wins of four are not taken for
/// certainty, and ends at what is possible
Estimate clustered_change(const ClusterSums& before, const ClusterSums& after, bool shares = false);

/// Percentile bootstrap (Efron 1979) of any statistic: `resamples` samples of n values with replacement; the
/// interval is their 2.5 % and 97.5 % quantiles (linear interpolation), the standard error their standard
/// deviation. Random numbers depend on (seed, resample, draw) only, so the interval is the same on every
/// machine.
using Statistic = std::function<double(std::span<const double>)>;
Estimate bootstrap(std::span<const double> values, const Statistic& statistic, std::uint64_t seed = 0,
                   int resamples = 2000);

struct WinRate {
  std::int64_t wins = 0, ties = 0, losses = 0;
  double value = kUnknown;                 ///< (wins + ties / 2) / all
  double low = kUnknown, high = kUnknown;  ///< Wilson's score interval (1927), ties as half wins
};

/// Wins of after[i] over before[i]: greater by more than `tie_width`.
WinRate win_rate(std::span<const double> before, std::span<const double> after, double tie_width = 0);
WinRate win_rate(std::int64_t wins, std::int64_t ties, std::int64_t losses);

/// Distinct n-grams over all n-grams of the texts together (Li et al. 2016, "A diversity-promoting objective
/// function"): 1 = nothing repeats. NaN if no text has n tokens. It falls with the amount of text: compare
/// equal amounts. @param n at least 1
double distinct_n(std::span<const std::vector<std::int32_t>> texts, int n);
/// The same over words, split at ASCII white space.
double distinct_n(std::span<const std::string> texts, int n);

}  // namespace attune::statistics
