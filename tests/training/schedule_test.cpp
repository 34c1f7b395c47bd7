#include "training/optimizer/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace attune::training {
namespace {

double factor(const ScheduleOptions& options, std::int64_t step) {
  return make_schedule(options)->factor(step);
}

// Expected values: the formulas of transformers' optimization.py, worked by hand.
TEST(Schedule, LinearRisesAndFalls) {
  const ScheduleOptions options{.name = "linear", .warmup_steps = 4, .total_steps = 12};
  EXPECT_DOUBLE_EQ(factor(options, 0), 0);
  EXPECT_DOUBLE_EQ(factor(options, 1), 0.25);
  EXPECT_DOUBLE_EQ(factor(options, 4), 1);
  EXPECT_DOUBLE_EQ(factor(options, 8), 0.5);
  EXPECT_DOUBLE_EQ(factor(options, 12), 0);
}

TEST(Schedule, CosineIsHalfWayInTheMiddle) {
  const ScheduleOptions options{.name = "cosine", .total_steps = 10};
  EXPECT_DOUBLE_EQ(factor(options, 0), 1);
  EXPECT_NEAR(factor(options, 5), 0.5, 1e-15);
  EXPECT_NEAR(factor(options, 10), 0, 1e-15);
}

TEST(Schedule, MinLrIsTheFloor) {
  const ScheduleOptions options{.name = "cosine_with_min_lr", .total_steps = 10, .min_lr_ratio = 0.2};
  EXPECT_NEAR(factor(options, 10), 0.2, 1e-15);
  EXPECT_NEAR(factor(options, 5), 0.6, 1e-15);
}

TEST(Schedule, InverseSqrtFallsWithTheRoot) {
  const ScheduleOptions options{.name = "inverse_sqrt", .warmup_steps = 100, .total_steps = 1000};
  EXPECT_DOUBLE_EQ(factor(options, 100), 1);
  EXPECT_DOUBLE_EQ(factor(options, 400), 0.5);  // sqrt(100 / 400)
}

TEST(Schedule, WarmupStableDecayStaysThenFalls) {
  const ScheduleOptions options{
      .name = "warmup_stable_decay", .warmup_steps = 0, .total_steps = 100, .decay_steps = 20};
  EXPECT_DOUBLE_EQ(factor(options, 80), 1);
  EXPECT_NEAR(factor(options, 90), 0.5, 1e-15);
  EXPECT_NEAR(factor(options, 100), 0, 1e-15);
}

TEST(Schedule, EveryOneStartsAtThePeakWithoutWarmup) {
  for (const auto& schedule : schedules()) {
    // One schedule of transformers is an update ahead of the others.
    const double first =
        schedule.name == "cosine_warmup_with_min_lr" ? 0.5 * (1 + std::cos(std::numbers::pi / 50)) : 1;
    EXPECT_NEAR(factor({.name = schedule.name, .total_steps = 50}, 0), first, 1e-6) << schedule.name;
    EXPECT_FALSE(schedule.summary.empty());
  }
}

/// Rates after each evaluation, by a schedule that is saved and read again between any two of them.
std::vector<double> interrupted(const ScheduleOptions& options, const std::vector<double>& found,
                                bool saved) {
  std::vector<double> rates;
  auto schedule = make_schedule(options);
  for (const double metric : found) {
    schedule->observe(metric);
    if (saved) {
      const core::Json kept = core::Json::parse(schedule->state().dump());
      schedule = make_schedule(options);
      schedule->restore(kept);
    }
    rates.push_back(schedule->factor(static_cast<std::int64_t>(rates.size())));
  }
  return rates;
}

TEST(Schedule, GoesOnFromItsState) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<double> found = {inf, 3, 2, 1, 0.5, -inf, 2.5, std::nan(""), 2, 2, 2, 2, 0.4, 0.3, 0.2, 0.1};
  found.insert(found.end(), 1100, 1);  // at the floor until greedy starts anew
  for (const auto& schedule : schedules())
    for (const std::int64_t patience : {0, 1}) {
      const ScheduleOptions options{.name = schedule.name,
                                    .total_steps = 12,
                                    .min_lr_ratio = schedule.follows_evaluation ? 0.5 : 0,
                                    .peak = 1e-3,
                                    .plateau_patience = patience,
                                    .plateau_cooldown = patience};
      const auto whole = interrupted(options, found, false);
      EXPECT_EQ(interrupted(options, found, true), whole) << schedule.name;
      if (!schedule.follows_evaluation) continue;
      EXPECT_EQ(*std::ranges::min_element(whole), 0.5) << schedule.name;
      EXPECT_EQ(*std::ranges::max_element(whole) > 1, schedule.name == "greedy");
    }
}

TEST(Schedule, GreedyStartsAnewAfterReductionsInVain) {
  const auto schedule = make_schedule({.name = "greedy", .min_lr_ratio = 0.95, .plateau_patience = 0});
  schedule->observe(1);  // the first one is the best: as good as it gets
  const double raised = schedule->factor(0);
  for (int i = 0; i < 499; ++i) schedule->observe(2);
  EXPECT_EQ(schedule->factor(0), 0.95);
  schedule->observe(2);
  EXPECT_EQ(schedule->factor(0), 1);
  EXPECT_EQ(raised, 1);  // 1 is the highest rate, and the peak here
}

}  // namespace
}  // namespace attune::training
