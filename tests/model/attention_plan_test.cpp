#include "model/block/attention/attention_plan.h"

#include <gtest/gtest.h>

#include "support.h"

namespace attune::model {
namespace {

using test::operator+;
using test::Case;
using test::run;

/// Who sees whom, from the definition: own ancestors and earlier tokens of the own segment, within the
/// window.
bool should_see(const core::Forest& forest, std::int64_t window, std::int32_t query, std::int32_t key) {
  const auto segment_of = [&](std::int32_t token) {
    for (std::size_t s = 0; s < forest.segments.size(); ++s)
      if (token >= forest.segments[s].begin && token < forest.segments[s].end)
        return static_cast<std::int32_t>(s);
    return -1;
  };
  const auto at = [](const std::vector<std::int32_t>& values, std::int32_t i) {
    return values[std::size_t(i)];
  };
  if (window > 0 && at(forest.positions, query) - at(forest.positions, key) >= window) return false;
  const std::int32_t key_segment = segment_of(key);
  std::int32_t s = segment_of(query);
  if (s == key_segment) return key <= query;
  while (s >= 0 && s != key_segment) s = forest.segments[std::size_t(s)].parent;
  return s == key_segment;
}

TEST(AttentionPlan, EveryVisiblePairIsInExactlyOnePiece) {
  for (const Case& one : test::all_cases())
    for (const std::int64_t window : {0, 1, 2, 5, 40, 1000}) {
      const auto forest = one.forest();
      const auto plan = plan_attention(forest, window);
      const auto size = static_cast<std::int32_t>(forest.size());
      std::vector<int> seen(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
      std::vector<int> firsts(static_cast<std::size_t>(size));
      for (const auto& piece : plan.pieces)
        for (std::int32_t q = piece.q_begin; q < piece.q_end; ++q) {
          auto& first = firsts[static_cast<std::size_t>(q)];
          if (piece.first) ++first;
          EXPECT_EQ(first, 1) << "merged before stored, or stored twice";
          for (std::int32_t k = piece.k_begin; k < piece.k_end; ++k)
            seen[static_cast<std::size_t>(q * size + k)] +=
                piece.visible(q - piece.q_begin, k - piece.k_begin);
        }
      for (std::int32_t q = 0; q < size; ++q) {
        ASSERT_EQ(firsts[static_cast<std::size_t>(q)], 1) << one.name;
        for (std::int32_t k = 0; k < size; ++k)
          ASSERT_EQ(seen[static_cast<std::size_t>(q * size + k)], should_see(forest, window, q, k))
              << one.name << ", window " << window << ", query " << q << ", key " << k;
      }
    }
}

TEST(AttentionPlan, CausalPiecesAreSquares) {
  for (const Case& one : test::all_cases())
    for (const auto& piece : plan_attention(one.forest(), 30).pieces)
      if (piece.mask == AttentionPiece::Mask::kCausal) {
        EXPECT_EQ(piece.q_begin, piece.k_begin);
        EXPECT_EQ(piece.q_end, piece.k_end);
      }
}

/// A prompt of P tokens with G candidates of C tokens that differ from their first token on.
core::Forest group(int prompt, int candidates, int length) {
  Case one{"", {}, {}};
  for (int g = 0; g < candidates; ++g)
    one.sequences.push_back(run(0, prompt) + test::Ids{1000 + g} + run(g, length - 1));
  return one.forest();
}

TEST(AttentionPlan, ComputesAlmostNothingTwice) {
  // P²/2 + G (P C + C²/2) for P = 512, G = 64, C = 64:
  // 131072 + 64 * (32768 + 2048) = 131072 + 2228224 = 2359296 products
  const auto forest = group(512, 64, 64);
  EXPECT_EQ(forest.size(), 512 + 64 * 64);
  const double needed = 2359296, computed = static_cast<double>(plan_attention(forest).products());
  EXPECT_GE(computed, needed);
  EXPECT_LE(computed, 1.05 * needed);
}

TEST(AttentionPlan, ComputesOnlyTheWindow) {
  // 4096 tokens with a window of 256: each row needs 256 keys; tiles of 128 rows read at most 256 + 127.
  const auto plan = plan_attention(group(4095, 1, 1), 256);
  EXPECT_LE(plan.products(), 4096 * (256 + 127));
  // candidates of 64 after a prompt of 512 see at most 31 prompt tokens each with a window of 32
  const auto far = plan_attention(group(512, 64, 64), 32);
  EXPECT_LE(far.products(), 512 * (32 + 63) + 64 * (64 * (32 + 31) + 32 * 31));
}

}  // namespace
}  // namespace attune::model
