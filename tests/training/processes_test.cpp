#include "training/processes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "training/step/step.h"

namespace attune::training {
namespace {

TEST(Processes, AProcessAloneKeepsWhatItHas) {
  const Processes processes;
  EXPECT_EQ(processes.rank(), 0);
  EXPECT_EQ(processes.size(), 1);
  EXPECT_TRUE(processes.alone());
  EXPECT_TRUE(processes.leads());
  at::Tensor numbers = at::arange(3, at::kDouble);
  processes.sum(numbers);
  EXPECT_TRUE(at::equal(numbers, at::arange(3, at::kDouble)));
  const at::Tensor rows = at::arange(6, at::kDouble).view({3, 2});
  EXPECT_TRUE(processes.gather(rows).is_same(rows));
  EXPECT_EQ(processes.gather(std::string("loss")), std::vector<std::string>{"loss"});
  EXPECT_TRUE(processes.any(true));
  EXPECT_FALSE(processes.any(false));
}

TEST(Processes, TheEnvironmentDecides) {
  ::unsetenv("WORLD_SIZE");
  EXPECT_TRUE(Processes::from_environment().alone());
  ::setenv("WORLD_SIZE", "1", 1);
  EXPECT_TRUE(Processes::from_environment().alone());
  ::setenv("WORLD_SIZE", "2", 1);
  ::setenv("RANK", "2", 1);
  EXPECT_THROW(Processes::from_environment(), core::Error);  // ranks of two are 0 and 1
  ::unsetenv("RANK");
  EXPECT_THROW(Processes::from_environment(), core::Error);
  ::setenv("WORLD_SIZE", "two", 1);
  EXPECT_THROW(Processes::from_environment(), core::Error);
  ::unsetenv("WORLD_SIZE");
}

TEST(GroupShares, AreRunsOfWholeGroups) {
  Step step;
  for (const std::int64_t group : {0, 0, 1, 2, 2, 2}) {
    step.items.emplace_back();
    step.candidates.emplace_back().group = group;
  }
  using Shares = std::vector<std::pair<std::size_t, std::size_t>>;
  const std::vector<std::int64_t> all = {0, 1, 2, 3, 4, 5}, last = {3, 4, 5};
  EXPECT_EQ(group_shares(step, all, 1), (Shares{{0, 6}}));
  EXPECT_EQ(group_shares(step, all, 2), (Shares{{0, 2}, {2, 6}}));
  EXPECT_EQ(group_shares(step, all, 3), (Shares{{0, 2}, {2, 3}, {3, 6}}));
  EXPECT_EQ(group_shares(step, last, 2), (Shares{{0, 0}, {0, 3}}));  // one group, two processes
}

}  // namespace
}  // namespace attune::training
