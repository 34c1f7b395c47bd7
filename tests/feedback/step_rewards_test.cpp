#include "feedback/step_rewards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace attune::feedback {
namespace {

using testing::ElementsAre;

TEST(StepRewards, HandWorked) {
  const std::vector<double> steps = {0.9, 0.5, 0.8};
  EXPECT_DOUBLE_EQ(reward_of_steps(steps, "product"), 0.36);
  EXPECT_DOUBLE_EQ(reward_of_steps(steps, "min"), 0.5);
  EXPECT_DOUBLE_EQ(reward_of_steps(steps, "last"), 0.8);
  EXPECT_DOUBLE_EQ(reward_of_steps(steps, "mean"), 2.2 / 3);
}

TEST(StepRewards, TextsComeApartAndTogetherAgain) {
  EXPECT_THAT(split_steps("a\nb\n", "\n"), ElementsAre("a\n", "b\n"));
  EXPECT_THAT(split_steps("a\n\n b", "\n"), ElementsAre("a\n\n", " b"));
  EXPECT_THAT(split_steps("\n\na", "\n"), ElementsAre("\n\n", "a"));
  EXPECT_THAT(split_steps("one step", "\n"), ElementsAre("one step"));
  EXPECT_THAT(split_steps("a;b", ""), ElementsAre("a;b"));
  EXPECT_THAT(split_steps("", "\n"), testing::IsEmpty());
  for (const std::string text : {"x\n\n\ny\n z", "\n", " ", "a\r\nb\r\n"}) {
    const auto steps = split_steps(text, "\n");
    EXPECT_EQ(std::accumulate(steps.begin(), steps.end(), std::string()), text);
  }
}

}  // namespace
}  // namespace attune::feedback
