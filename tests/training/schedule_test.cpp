#include "training/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include <cmath>

namespace attune::training {
namespace {

// Expected values: the formulas of transformers' optimization.py, worked by hand.
TEST(Schedule, LinearRisesAndFalls) {
  const ScheduleOptions options{.name = "linear", .warmup_steps = 4, .total_steps = 12};
  EXPECT_DOUBLE_EQ(schedule_factor(options, 0), 0);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 1), 0.25);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 4), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 8), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 12), 0);
}

TEST(Schedule, CosineIsHalfWayInTheMiddle) {
  const ScheduleOptions options{.name = "cosine", .total_steps = 10};
  EXPECT_DOUBLE_EQ(schedule_factor(options, 0), 1);
  EXPECT_NEAR(schedule_factor(options, 5), 0.5, 1e-15);
  EXPECT_NEAR(schedule_factor(options, 10), 0, 1e-15);
}

TEST(Schedule, MinLrIsTheFloor) {
  const ScheduleOptions options{.name = "cosine_with_min_lr", .total_steps = 10, .min_lr_ratio = 0.2};
  EXPECT_NEAR(schedule_factor(options, 10), 0.2, 1e-15);
  EXPECT_NEAR(schedule_factor(options, 5), 0.6, 1e-15);
}

TEST(Schedule, InverseSqrtFallsWithTheRoot) {
  const ScheduleOptions options{.name = "inverse_sqrt", .warmup_steps = 100, .total_steps = 1000};
  EXPECT_DOUBLE_EQ(schedule_factor(options, 100), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 400), 0.5);  // sqrt(100 / 400)
}

TEST(Schedule, WarmupStableDecayStaysThenFalls) {
  const ScheduleOptions options{
      .name = "warmup_stable_decay", .warmup_steps = 0, .total_steps = 100, .decay_steps = 20};
  EXPECT_DOUBLE_EQ(schedule_factor(options, 80), 1);
  EXPECT_NEAR(schedule_factor(options, 90), 0.5, 1e-15);
  EXPECT_NEAR(schedule_factor(options, 100), 0, 1e-15);
}

TEST(Schedule, EveryOneStartsAtThePeakWithoutWarmup) {
  for (const auto& [name, summary] : schedules()) {
    // One schedule of transformers is an update ahead of the others.
    const double first =
        name == "cosine_warmup_with_min_lr" ? 0.5 * (1 + std::cos(std::numbers::pi / 50)) : 1;
    EXPECT_NEAR(schedule_factor({.name = name, .total_steps = 50}, 0), first, 1e-6) << name;
    EXPECT_FALSE(summary.empty());
  }
}

}  // namespace
}  // namespace attune::training
