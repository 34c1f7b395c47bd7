// Parts of splits, against what the library datasets (5.2) takes of a split of 25 rows.
#include "data/rows/file/split_slice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "core/error.h"

namespace attune::data {
namespace {

std::pair<int, int> range_of(std::string split, int total = 25) {
  SplitSlice slice = SplitSlice::taken_from(split);
  EXPECT_EQ(split, "train");
  slice.settle(total);
  int begin = 0, end = 0, taken = 0;
  for (int row = 0; row < total; ++row) {
    if (!slice.has(row)) continue;
    if (taken++ == 0) begin = row;
    end = row + 1;
  }
  EXPECT_EQ(end - begin, taken);
  return {begin, end};
}

TEST(SplitSlice, TakesTheRowsThatDatasetsTakes) {
  using Range = std::pair<int, int>;
  EXPECT_EQ(range_of("train"), Range(0, 25));
  EXPECT_EQ(range_of("train[:10%]"), Range(0, 2));
  EXPECT_EQ(range_of("train[10%:]"), Range(2, 25));
  EXPECT_EQ(range_of("train[:50%]"), Range(0, 12));
  EXPECT_EQ(range_of("train[-10%:]"), Range(23, 25));
  EXPECT_EQ(range_of("train[:-10%]"), Range(0, 23));
  EXPECT_EQ(range_of("train[10%:12]"), Range(2, 3));
  EXPECT_EQ(range_of("train[:7]"), Range(0, 7));
  EXPECT_EQ(range_of("train[20:]"), Range(20, 25));
  EXPECT_EQ(range_of("train[-3:]"), Range(22, 25));
  EXPECT_EQ(range_of("train[3:-20]"), Range(3, 5));
  EXPECT_EQ(range_of("train[-40:2]"), Range(0, 2));
  EXPECT_EQ(range_of("train[:100]"), Range(0, 25));
  EXPECT_EQ(range_of("train[90%:30%]"), Range(0, 0));
}

TEST(SplitSlice, SaysWhatItCannotRead) {
  for (std::string split :
       {"train[:x]", "train[5]", "train[:5", "train[:200%]", "train[:5]+test[:5]", "train[1:2:3]"})
    EXPECT_THROW(SplitSlice::taken_from(split), core::Error) << split;
}

TEST(SplitSlice, KnowsWhatTwoHaveInCommon) {
  const auto meet = [](std::string one, std::string two) {
    return SplitSlice::taken_from(one).may_meet(SplitSlice::taken_from(two));
  };
  EXPECT_FALSE(meet("train[:90%]", "train[90%:]"));
  EXPECT_FALSE(meet("train[:-20]", "train[-20:]"));
  EXPECT_TRUE(meet("train[:90%]", "train[80%:]"));
  EXPECT_TRUE(meet("train[:90%]", "train[500:]"));
  EXPECT_TRUE(meet("train", "train[500:]"));
}

}  // namespace
}  // namespace attune::data
