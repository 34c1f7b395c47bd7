#include "model/block/instruction_sets.h"

#include <gtest/gtest.h>

namespace attune::model {
namespace {

constexpr auto kBaseline = InstructionSet::kBaseline;
constexpr auto kAvx2 = InstructionSet::kAvx2;
constexpr auto kAvx512 = InstructionSet::kAvx512;

TEST(InstructionSets, WhatIsAskedForLowersButNeverRaises) {
  EXPECT_EQ(capped_instruction_set(kAvx512, "default"), kBaseline);
  EXPECT_EQ(capped_instruction_set(kAvx512, "avx2"), kAvx2);
  EXPECT_EQ(capped_instruction_set(kAvx512, "avx512"), kAvx512);
  EXPECT_EQ(capped_instruction_set(kAvx2, "avx512"), kAvx2);
  EXPECT_EQ(capped_instruction_set(kBaseline, "avx2"), kBaseline);
}

TEST(InstructionSets, OtherWordsAskForNothing) {
  EXPECT_EQ(capped_instruction_set(kAvx512, ""), kAvx512);
  EXPECT_EQ(capped_instruction_set(kAvx2, "avx512_vnni"), kAvx2);
  EXPECT_EQ(capped_instruction_set(kAvx512, "AVX2"), kAvx512);
}

ATTUNE_KERNEL float dot(const float* one, const float* other, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += one[i] * other[i];
  return sum;
}
float best_dot(const float* one, const float* other, int count) {
  ATTUNE_ON_BEST_INSTRUCTIONS(dot(one, other, count));
}

TEST(InstructionSets, AKernelRuns) {
  const float one[] = {1, 2, 3}, other[] = {4, 5, 6};
  EXPECT_EQ(best_dot(one, other, 3), 32);
}

}  // namespace
}  // namespace attune::model
