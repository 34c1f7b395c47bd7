#include "statistics/intervals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attune::statistics {
namespace {

TEST(TQuantile, PublishedTable) {
  // Student's t, two-sided 95 %, from the usual printed table with more digits (R: qt(0.975, df)).
  EXPECT_NEAR(t_quantile(1), 12.7062047362, 1e-7);
  EXPECT_NEAR(t_quantile(2), 4.3026527297, 1e-7);
  EXPECT_NEAR(t_quantile(3), 3.1824463053, 1e-7);
  EXPECT_NEAR(t_quantile(10), 2.2281388520, 1e-7);
  EXPECT_NEAR(t_quantile(30), 2.0422724563, 1e-7);
  EXPECT_NEAR(t_quantile(120), 1.9799304051, 1e-7);
  EXPECT_NEAR(t_quantile(1000), 1.9623390808, 1e-7);
  EXPECT_NEAR(t_quantile(200), t_quantile(201), 2e-4);  // both ways of computing it meet
  EXPECT_TRUE(std::isnan(t_quantile(0)));
}

TEST(MeanEstimate, ByHand) {
  // 2, 4, 6: mean 4, s² = (4 + 0 + 4) / 2 = 4, standard error 2 / √3 = 1.154701, t(2) = 4.302653,
  // reach 4.968275.
  const double values[] = {2, 4, 6, kUnknown};
  const Estimate estimate = mean_estimate(values);
  EXPECT_EQ(estimate.count, 3);
  EXPECT_DOUBLE_EQ(estimate.value, 4);
  EXPECT_NEAR(estimate.standard_error, 1.1547005, 1e-7);
  EXPECT_NEAR(estimate.low, 4 - 4.968275, 1e-5);
  EXPECT_NEAR(estimate.high, 4 + 4.968275, 1e-5);
}

TEST(MeanEstimate, TooFewValues) {
  EXPECT_TRUE(std::isnan(mean_estimate({}).value));
  const double one[] = {3};
  EXPECT_DOUBLE_EQ(mean_estimate(one).value, 3);
  EXPECT_TRUE(std::isnan(mean_estimate(one).low));
}

TEST(PairedDifference, RemovesWhatPromptsDifferBy) {
  // Differences 1, 1, 4: mean 2, s² = (1 + 1 + 4) / 2 = 3, standard error 1. The pair with a missing side is
  // left out.
  const double before[] = {0, 100, -50, 7}, after[] = {1, 101, -46, kUnknown};
  const Estimate estimate = paired_difference(before, after);
  EXPECT_EQ(estimate.count, 3);
  EXPECT_DOUBLE_EQ(estimate.value, 2);
  EXPECT_DOUBLE_EQ(estimate.standard_error, 1);
  EXPECT_NEAR(estimate.high, 2 + 4.3026527, 1e-6);
}

TEST(ClusteredChange, OfOneValueEachIsThePairedDifference) {
  const double before[] = {0, 100, -50, 7}, after[] = {1, 101, -46, kUnknown};
  const Estimate estimate = clustered_change({before, {}}, {after, {}});
  const Estimate paired = paired_difference(before, after);
  EXPECT_EQ(estimate.count, 3);
  EXPECT_DOUBLE_EQ(estimate.value, paired.value);
  EXPECT_DOUBLE_EQ(estimate.low, paired.low);
  EXPECT_DOUBLE_EQ(estimate.high, paired.high);
}

TEST(ClusteredChange, UnequalClustersByHand) {
  // Means 2/3 and 7/3. What the clusters add, times two: 2 · ((4 − 14/3) − (2 − 4/3)) / 3 = −8/9 and 8/9
  // around 5/3: s² = 128/81, standard error 8/9, t(1) = 12.706205.
  const double before[] = {2, 0}, after[] = {4, 3}, counts[] = {2, 1};
  const Estimate estimate = clustered_change({before, counts}, {after, counts});
  EXPECT_DOUBLE_EQ(estimate.value, 5.0 / 3);
  EXPECT_NEAR(estimate.standard_error, 8.0 / 9, 1e-12);
  EXPECT_NEAR(estimate.high, 5.0 / 3 + 12.7062047 * 8 / 9, 1e-6);
}

TEST(ClusterContributions, AddUpToTheMeanAndScatterAsItsError) {
  // Sums 4, 3, 0 over 2, 1, 0 values: mean 7/3; 3 · (4 − 14/3) / 3 = −2/3, 2/3 and 0 around it.
  const double sums[] = {4, 3, 0}, counts[] = {2, 1, 0};
  const auto added = cluster_contributions({sums, counts});
  ASSERT_EQ(added.size(), 3u);
  EXPECT_DOUBLE_EQ(added[0], 5.0 / 3);
  EXPECT_DOUBLE_EQ(added[1], 3);
  EXPECT_DOUBLE_EQ(added[2], 7.0 / 3);
}

TEST(ClusteredChange, FourOfFourIsNoCertainty) {
  // With +1 and −1 added: 1, 1, 1, 1, 1, −1: mean 2/3, s² = 2/3, standard error 1/3, t(5) = 2.570582.
  const std::vector<double> none(4, 0.0), all(4, 1.0);
  const Estimate few = clustered_change({none, {}}, {all, {}}, true);
  EXPECT_EQ(few.count, 4);
  EXPECT_DOUBLE_EQ(few.value, 1);
  EXPECT_NEAR(few.low, std::max(0.0, 2.0 / 3 - 2.570582 / 3), 1e-6);
  EXPECT_LE(few.low, 0);
  EXPECT_EQ(few.high, 1) << "a share cannot rise further";
  const std::vector<double> zeros(40, 0.0), ones(40, 1.0);
  EXPECT_GT(clustered_change({zeros, {}}, {ones, {}}, true).low, 0.8);
}

TEST(ClusteredChange, NothingIsKnownOfNothing) {
  EXPECT_TRUE(std::isnan(clustered_change({}, {}).value));
  const double one[] = {3}, infinite[] = {INFINITY};
  EXPECT_TRUE(std::isnan(clustered_change({one, {}}, {one, {}}).low));
  EXPECT_EQ(clustered_change({one, {}}, {infinite, {}}).count, 0);
}

TEST(Difference, NumbersWhoseSquaresOverflow) {
  const double before[] = {1e300, 2e300}, after[] = {3e300, 9e300};
  EXPECT_EQ(difference(before, after).count, 4);
}

TEST(Difference, WelchByHand) {
  // Variances 1 (n = 3) and 4 (n = 3): a = 1/3, b = 4/3, standard error √(5/3) = 1.290994;
  // freedom (5/3)² / ((1/9)/2 + (16/9)/2) = (25/9) / (17/18) = 2.94 → 3, t = 3.182446.
  const double before[] = {1, 2, 3}, after[] = {4, 6, 8};
  const Estimate estimate = difference(before, after);
  EXPECT_DOUBLE_EQ(estimate.value, 4);
  EXPECT_NEAR(estimate.standard_error, 1.2909944, 1e-7);
  EXPECT_NEAR(estimate.low, 4 - 3.1824463 * 1.2909944, 1e-6);
}

TEST(Bootstrap, MeanAgreesWithTheoryAndRepeats) {
  std::vector<double> values(400);
  std::iota(values.begin(), values.end(),
            0.0);  // mean 199.5, population deviation √((400² − 1) / 12) = 115.469
  const Statistic mean = [](std::span<const double> drawn) {
    return std::accumulate(drawn.begin(), drawn.end(), 0.0) / static_cast<double>(drawn.size());
  };
  const Estimate estimate = bootstrap(values, mean);
  EXPECT_DOUBLE_EQ(estimate.value, 199.5);
  EXPECT_NEAR(estimate.standard_error, 115.469 / 20,
              0.4);  // ± 4 deviations of the deviation of 2,000 resamples
  EXPECT_NEAR(estimate.low, 199.5 - 1.96 * 5.77, 1.2);
  EXPECT_NEAR(estimate.high, 199.5 + 1.96 * 5.77, 1.2);
  EXPECT_EQ(bootstrap(values, mean).low, estimate.low);
  EXPECT_NE(bootstrap(values, mean, 1).low, estimate.low);
}

TEST(Bootstrap, ConstantValuesHaveNoSpread) {
  const double values[] = {5, 5, 5};
  const auto greatest = [](std::span<const double> drawn) { return *std::ranges::max_element(drawn); };
  const Estimate estimate = bootstrap(values, greatest);
  EXPECT_EQ(estimate.low, 5);
  EXPECT_EQ(estimate.high, 5);
  EXPECT_EQ(estimate.standard_error, 0);
}

TEST(WinRate, WilsonByHand) {
  // 8 of 10: Wilson's interval is 0.4902 to 0.9433 (the example of most textbooks).
  const WinRate rate = win_rate(8, 0, 2);
  EXPECT_DOUBLE_EQ(rate.value, 0.8);
  EXPECT_NEAR(rate.low, 0.4902, 5e-5);
  EXPECT_NEAR(rate.high, 0.9433, 5e-5);
  // None of 10: low 0, high z²/(n + z²) = 3.8415 / 13.8415 = 0.27753.
  EXPECT_NEAR(win_rate(0, 0, 10).low, 0, 1e-12);
  EXPECT_NEAR(win_rate(0, 0, 10).high, 0.27753, 1e-5);
  EXPECT_TRUE(std::isnan(win_rate(0, 0, 0).value));
}

TEST(WinRate, CountsTiesAsHalf) {
  const double before[] = {1, 1, 1, 1, 1}, after[] = {2, 1.05, 0, 3, kUnknown};
  const WinRate rate = win_rate(before, after, 0.1);
  EXPECT_EQ(rate.wins, 2);
  EXPECT_EQ(rate.ties, 1);
  EXPECT_EQ(rate.losses, 1);
  EXPECT_DOUBLE_EQ(rate.value, 2.5 / 4);
}

TEST(DistinctN, ByHand) {
  // Pairs of "a b a b": ab ba ab; of "b a": ba. Two distinct of four.
  const std::string texts[] = {"a b a b", "b  a\n"};
  EXPECT_DOUBLE_EQ(distinct_n(std::span<const std::string>(texts), 2), 0.5);
  EXPECT_DOUBLE_EQ(distinct_n(std::span<const std::string>(texts), 1), 2.0 / 6);
  EXPECT_TRUE(std::isnan(distinct_n(std::span<const std::string>(texts), 5)));
  const std::vector<std::int32_t> ids[] = {{1, 2, 3}, {1, 2}};
  EXPECT_DOUBLE_EQ(distinct_n(std::span<const std::vector<std::int32_t>>(ids), 2), 2.0 / 3);
}

}  // namespace
}  // namespace attune::statistics
