#include "data/packing.h"

#include <gmock/gmock.h>

#include "core/error.h"

namespace attune::data {
namespace {

using ::testing::ElementsAre;
using Ids = std::vector<std::int32_t>;

PackItem item(const Ids& prompt, const Ids& completion, std::int64_t group,
              std::vector<std::uint8_t> mask = {}) {
  PackItem out;
  out.ids = prompt;
  out.ids.insert(out.ids.end(), completion.begin(), completion.end());
  out.prompt_length = static_cast<std::int32_t>(prompt.size());
  out.mask = mask.empty() ? std::vector<std::uint8_t>(completion.size(), 1) : std::move(mask);
  out.group = group;
  return out;
}

TEST(Pack, ReadsTheFirstCompletionTokenAtTheSharedPrompt) {
  // Stream: 1 2 3 | 7 8 | 9. Both completions' first tokens are read at stream index 2, the end of the
  // prompt.
  const std::vector<PackItem> items = {item({1, 2, 3}, {7, 8}, 0), item({1, 2, 3}, {9}, 0)};
  const auto batches = pack(items, 100);
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_THAT(batches[0].forest.tokens, ElementsAre(1, 2, 3, 7, 8, 9));
  EXPECT_THAT(batches[0].tokens.predicting, ElementsAre(2, 3, 2));
  EXPECT_THAT(batches[0].tokens.tokens, ElementsAre(7, 8, 9));
  EXPECT_THAT(batches[0].tokens.offsets, ElementsAre(0, 2, 3));
  EXPECT_THAT(batches[0].last.standing, ElementsAre(4, 5));
  EXPECT_THAT(batches[0].items, ElementsAre(0, 1));
  EXPECT_FALSE(batches[0].splits_group);
}

TEST(Pack, SharesACommonStartOfCompletionsToo) {
  // Completions 5 6 | 7 and 5 6 | 8 share "5 6" beyond the prompt: stream 1 5 6 | 7 | 8. Every sequence still
  // has all three of its own rows, and the shared ones are the same stream indices.
  const std::vector<PackItem> items = {item({1}, {5, 6, 7}, 0), item({1}, {5, 6, 8}, 0)};
  const auto batch = pack(items, 100)[0];
  EXPECT_THAT(batch.forest.tokens, ElementsAre(1, 5, 6, 7, 8));
  EXPECT_THAT(batch.tokens.predicting, ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(batch.tokens.tokens, ElementsAre(5, 6, 7, 5, 6, 8));
}

TEST(Pack, SharesNoPrefixWithOtherEmbeddings) {
  // Token 2 comes as a vector, another one for the second item: 1 is shared, 2 3 | 7 and 2 3 | 8 are not.
  std::vector<PackItem> items = {item({1, 2, 3}, {7}, 0), item({1, 2, 3}, {8}, 0)};
  items[0].content = {0, 11, 0, 0};
  items[1].content = {0, 12, 0, 0};
  const auto batch = pack(items, 100)[0];
  EXPECT_THAT(batch.forest.tokens, ElementsAre(1, 2, 3, 7, 2, 3, 8));
  EXPECT_THAT(batch.forest.content, ElementsAre(0, 11, 0, 0, 12, 0, 0));
  EXPECT_THAT(batch.tokens.predicting, ElementsAre(2, 5));
  items[1].content = items[0].content;
  EXPECT_THAT(pack(items, 100)[0].forest.tokens, ElementsAre(1, 2, 3, 7, 8));
}

TEST(Pack, LeavesOutMaskedTokensAndTheFirstTokenOfAPromptlessSequence) {
  // Without a prompt token 4 has no log-probability; token 6 is masked.
  const std::vector<PackItem> items = {item({}, {4, 5, 6, 7}, 0, {1, 1, 0, 1})};
  const auto batch = pack(items, 100)[0];
  EXPECT_THAT(batch.tokens.predicting, ElementsAre(0, 2));
  EXPECT_THAT(batch.tokens.tokens, ElementsAre(5, 7));
}

TEST(Pack, AnItemWithoutCompletionHasNoRowsButALastRow) {
  const auto batch = pack(std::vector<PackItem>{item({4, 5}, {}, 0)}, 100)[0];
  EXPECT_TRUE(batch.tokens.predicting.empty());
  EXPECT_THAT(batch.tokens.offsets, ElementsAre(0, 0));
  EXPECT_THAT(batch.last.standing, ElementsAre(1));
}

TEST(Pack, KeepsGroupsWholeWithinTheBudget) {
  // Group sizes in the stream: 4, 4, 3. Budget 8 holds the first two; the third opens a new micro-batch.
  const std::vector<PackItem> items = {item({1, 2}, {3}, 0), item({1, 2}, {4}, 0), item({1, 2}, {5}, 1),
                                       item({1, 2}, {6}, 1), item({1, 2}, {7}, 2)};
  const auto batches = pack(items, 8);
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_THAT(batches[0].items, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(batches[1].items, ElementsAre(4));
  EXPECT_EQ(batches[0].forest.size(), 8);
  for (const auto& batch : batches) EXPECT_FALSE(batch.splits_group);
}

TEST(Pack, SplitsAGroupOverTheBudgetAndRepeatsItsPrompt) {
  // Prompt of 4, five completions of 3: 4 + 15 = 19 tokens. Budget 10 holds the prompt and two completions.
  std::vector<PackItem> items;
  for (std::int32_t i = 0; i < 5; ++i) items.push_back(item({1, 2, 3, 4}, {10 + i, 20, 30}, 7));
  const auto batches = pack(items, 10);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_THAT(batches[0].items, ElementsAre(0, 1));
  EXPECT_THAT(batches[1].items, ElementsAre(2, 3));
  EXPECT_THAT(batches[2].items, ElementsAre(4));
  for (const auto& batch : batches) {
    EXPECT_TRUE(batch.splits_group);
    EXPECT_LE(batch.forest.size(), 10);
    EXPECT_EQ(batch.forest.tokens[0], 1);
  }
}

TEST(Pack, TheRestOfASplitGroupIsFilledUp) {
  // Group 0 as above leaves one completion (7 tokens); group 1 (3 tokens) fits beside it.
  std::vector<PackItem> items;
  for (std::int32_t i = 0; i < 3; ++i) items.push_back(item({1, 2, 3, 4}, {10 + i, 20, 30}, 0));
  items.push_back(item({9, 9}, {8}, 1));
  const auto batches = pack(items, 10);
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_THAT(batches[1].items, ElementsAre(2, 3));
  EXPECT_TRUE(batches[1].splits_group);
}

TEST(Pack, OneSequenceMayExceedTheBudgetAlone) {
  const std::vector<PackItem> items = {item({1}, {2}, 0), item({1, 2, 3, 4}, {5, 6}, 1), item({1}, {2}, 2)};
  const auto batches = pack(items, 3);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[1].forest.size(), 6);
  EXPECT_FALSE(batches[1].splits_group);
}

TEST(Pack, WithoutSharingEverySequenceIsItsOwnRoot) {
  const std::vector<PackItem> items = {item({1, 2}, {3}, 0), item({1, 2}, {4}, 0)};
  const auto batch = pack(items, 100, false)[0];
  EXPECT_THAT(batch.forest.tokens, ElementsAre(1, 2, 3, 1, 2, 4));
  EXPECT_THAT(batch.tokens.predicting, ElementsAre(1, 4));
  EXPECT_EQ(pack(items, 5, false).size(), 2U);
}

TEST(Pack, DifferentPositionTablesDoNotShare) {
  std::vector<PackItem> items = {item({1, 2}, {3}, 0), item({1, 2}, {4}, 0)};
  items[1].table = 1;
  EXPECT_EQ(pack(items, 100)[0].forest.size(), 6);
}

TEST(Pack, EqualSequencesKeepTheirOwnRows) {
  const std::vector<PackItem> items = {item({1}, {2, 3}, 0), item({1}, {2, 3}, 0)};
  const auto batch = pack(items, 100)[0];
  EXPECT_EQ(batch.forest.size(), 3);
  EXPECT_THAT(batch.tokens.predicting, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(batch.tokens.offsets, ElementsAre(0, 2, 4));
}

TEST(Pack, NothingGivesNothing) { EXPECT_TRUE(pack({}, 10).empty()); }

TEST(Pack, EveryItemOnceInOrderAtAnyBudget) {
  // Property: whatever the budget, the items come once and in order, no micro-batch of several sequences is
  // over it, and each item's (previous token, target) pairs are those of its own sequence.
  std::vector<PackItem> items;
  for (std::int32_t g = 0; g < 12; ++g)
    for (std::int32_t c = 0; c <= g % 5; ++c)
      items.push_back(item(Ids(static_cast<std::size_t>(g % 4), g), {c % 2, c, g, 1 + c % 3}, g));
  for (std::int64_t budget = 1; budget < 90; ++budget) {
    std::int64_t next = 0;
    for (const auto& batch : pack(items, budget)) {
      EXPECT_TRUE(batch.forest.size() <= budget || batch.items.size() == 1) << budget;
      for (std::size_t i = 0; i < batch.items.size(); ++i) {
        EXPECT_EQ(batch.items[i], next);
        const PackItem& source = items[static_cast<std::size_t>(next++)];
        auto k = static_cast<std::size_t>(std::max(source.prompt_length, 1));
        for (auto row = batch.tokens.offsets[i]; row < batch.tokens.offsets[i + 1]; ++row, ++k) {
          const auto at = static_cast<std::size_t>(row);
          EXPECT_EQ(batch.tokens.tokens[at], source.ids[k]);
          EXPECT_EQ(batch.forest.tokens[static_cast<std::size_t>(batch.tokens.predicting[at])],
                    source.ids[k - 1]);
          EXPECT_EQ(batch.forest.positions[static_cast<std::size_t>(batch.tokens.predicting[at])],
                    static_cast<std::int32_t>(k - 1));
        }
        EXPECT_EQ(k, source.ids.size());
      }
    }
    EXPECT_EQ(next, static_cast<std::int64_t>(items.size()));
  }
}

TEST(Pack, RefusesInconsistentItems) {
  auto bad = item({1}, {2, 3}, 0);
  bad.mask.pop_back();
  EXPECT_THROW(pack(std::vector<PackItem>{bad}, 10), core::Error);
}

}  // namespace
}  // namespace attune::data
