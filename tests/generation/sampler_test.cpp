// Filters against distributions worked out by hand.
#include "generation/sampling/sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace attune::generation {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

/// Logits of the given probabilities.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<Choice> filtered(std::vector<float> logits, const Filters& filters) {
  filter(logits, filters);
  return distribution(logits);
}

std::int32_t chosen(const std::vector<float>& logits, const Filters& filters, double uniform) {
  return choose(filtered(logits, filters), uniform);
}

void expect_choices(const std::vector<Choice>& choices, const std::vector<std::pair<int, double>>& expected) {
  ASSERT_EQ(choices.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(choices[i].token, expected[i].first);
    EXPECT_NEAR(choices[i].probability, expected[i].second, 1e-6);
  }
}

Filters with(double temperature, std::int64_t top_k, double top_p, double min_p) {
  Filters filters;
  filters.temperature = temperature;
  filters.top_k = top_k;
  filters.top_p = top_p;
  filters.min_p = min_p;
  return filters;
}

TEST(Filters, TopKKeepsTies) {
  const auto logits = logits_of({0.1, 0.3, 0.2, 0.2, 0.2});
  expect_choices(filtered(logits, with(1, 1, 1, 0)), {{1, 1}});
  // the second highest is 0.2, of which there are three: 0.3 / 0.9 and 0.2 / 0.9
  expect_choices(filtered(logits, with(1, 2, 1, 0)),
                 {{1, 1.0 / 3}, {2, 2.0 / 9}, {3, 2.0 / 9}, {4, 2.0 / 9}});
  EXPECT_EQ(filtered(logits, with(1, 99, 1, 0)).size(), 5U);
}

TEST(Filters, TopPKeepsTheFewestThatReachIt) {
  const auto logits = logits_of({0.05, 0.5, 0.3, 0.15});
  expect_choices(filtered(logits, with(1, 0, 0.45, 0)), {{1, 1}});
  expect_choices(filtered(logits, with(1, 0, 0.6, 0)), {{1, 0.625}, {2, 0.375}});
  expect_choices(filtered(logits, with(1, 0, 0.0, 0)), {{1, 1}});  // always one
  // of equal tokens the higher ids come first
  expect_choices(filtered(logits_of({0.25, 0.25, 0.25, 0.25}), with(1, 0, 0.4, 0)), {{2, 0.5}, {3, 0.5}});
}

TEST(Filters, TopPFindsATailLongerThanItsSortedHead) {
  // 1000 equal tokens of 1/1000 each, and top_p 0.7005: 701 of them, the highest ids
  const std::vector<float> logits(1000, 0.5F);
  const auto choices = filtered(logits, with(1, 0, 0.7005, 0));
  ASSERT_EQ(choices.size(), 701U);
  EXPECT_EQ(choices.front().token, 299);
}

TEST(Filters, MinPAndTemperature) {
  const auto logits = logits_of({0.6, 0.3, 0.1});
  expect_choices(filtered(logits, with(1, 0, 1, 0.4)), {{0, 2.0 / 3}, {1, 1.0 / 3}});
  // temperature 0.5 squares: 0.36, 0.09, 0.01 of 0.46
  expect_choices(filtered(logits, with(0.5, 0, 1, 0)),
                 {{0, 0.36 / 0.46}, {1, 0.09 / 0.46}, {2, 0.01 / 0.46}});
  // temperature comes before min-p: 0.09 / 0.36 = 0.25 < 0.4
  expect_choices(filtered(logits, with(0.5, 0, 1, 0.4)), {{0, 1}});
}

TEST(Filters, OrderIsTopKThenTopP) {
  // top-k 2 leaves 0.4 and 0.3, renormalised 4/7 and 3/7; 4/7 reaches 0.5 alone. Top-p first would keep both.
  const auto logits = logits_of({0.4, 0.3, 0.2, 0.1});
  expect_choices(filtered(logits, with(1, 2, 0.5, 0)), {{0, 1}});
  expect_choices(filtered(logits, with(1, 0, 0.5, 0)), {{0, 4.0 / 7}, {1, 3.0 / 7}});
}

TEST(Penalty, DividesPositiveMultipliesNegative) {
  std::vector<float> logits = {2, -2, 3, 0};
  const std::vector<std::int32_t> seen = {0, 1, 3};
  penalize_repetition(logits, seen, 2);
  EXPECT_THAT(logits, testing::ElementsAre(1, -4, 3, 0));
}

TEST(Choose, QuantilesAndGreedy) {
  const std::vector<float> logits = {std::log(0.25F), kNone, std::log(0.5F), std::log(0.25F)};
  const Filters plain;
  EXPECT_EQ(chosen(logits, plain, 0.0), 0);
  EXPECT_EQ(chosen(logits, plain, 0.2499), 0);
  EXPECT_EQ(chosen(logits, plain, 0.2501), 2);
  EXPECT_EQ(chosen(logits, plain, 0.7501), 3);
  EXPECT_EQ(chosen(logits, plain, std::nextafter(1.0, 0.0)), 3);
  EXPECT_EQ(chosen(std::vector<float>{1, 5, 5}, with(0, 0, 1, 0), 0.9), 1);
  EXPECT_EQ(chosen(std::vector<float>{1, 5, 4}, with(1e-5, 0, 1, 0), 0.9),
            1);  // as good as greedy, and finite
}

TEST(Distribution, IsEmptyWhereThereIsNone) {
  EXPECT_TRUE(distribution(std::vector<float>{kNone, kNone}).empty());
  EXPECT_TRUE(distribution(std::vector<float>{0, std::numeric_limits<float>::quiet_NaN(), 1}).empty());
  EXPECT_TRUE(distribution(std::vector<float>{0, -kNone}).empty());
  expect_choices(distribution(std::vector<float>{kNone, 2, kNone, 2}), {{1, 0.5}, {3, 0.5}});
}

}  // namespace
}  // namespace attune::generation
