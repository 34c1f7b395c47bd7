// Held-out rows are split off by whole prompts.
#include <set>

#include "data/split.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using testing::HasSubstr;

std::vector<std::uint64_t> keys_of(std::size_t rows, std::uint64_t each) {
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < rows; ++i) keys.push_back(i / each);
  return keys;
}

std::int64_t count(const std::vector<bool>& held_out) { return std::ranges::count(held_out, true); }

TEST(Split, TakesWholePromptsUpToTheSize) {
  for (const std::uint64_t seed : {0, 1, 2}) {
    EXPECT_EQ(count(choose_held_out(keys_of(100, 1), 0.1, seed)), 10);
    EXPECT_EQ(count(choose_held_out(keys_of(100, 1), 7, seed)), 7);
    EXPECT_EQ(count(choose_held_out(keys_of(100, 4), 0.1, seed)), 8);  // two prompts of four rows
    const auto keys = keys_of(100, 4);
    const auto held_out = choose_held_out(keys, 0.3, seed);
    std::set<std::uint64_t> here, there;
    for (std::size_t i = 0; i < keys.size(); ++i) (held_out[i] ? here : there).insert(keys[i]);
    for (const std::uint64_t key : here) EXPECT_FALSE(there.contains(key));
  }
  EXPECT_EQ(choose_held_out(keys_of(50, 1), 5, 3), choose_held_out(keys_of(50, 1), 5, 3));
  EXPECT_NE(choose_held_out(keys_of(50, 1), 5, 3), choose_held_out(keys_of(50, 1), 5, 4));
}

TEST(Split, RefusesWhatLeavesASideEmpty) {
  EXPECT_THAT(support::request_error([] { choose_held_out(keys_of(4, 1), 4, 0); }), HasSubstr("val_size=4"));
  EXPECT_THAT(support::request_error([] { choose_held_out(keys_of(8, 8), 0.5, 0); }),
              HasSubstr("too few prompts"));
  EXPECT_THAT(support::request_error([] { choose_held_out(keys_of(1, 1), 0.1, 0); }),
              HasSubstr("none would be left"));
}

TEST(Split, BothSidesAreDatasetsWithTheirOwnCounts) {
  support::TemporaryFolder folder;
  const TextCodec codec = support::codec(folder);
  std::string rows;
  for (int prompt = 0; prompt < 10; ++prompt)
    for (const std::string answer : {"a", "bb"})
      rows +=
          core::to_line({{"prompt", "p" + std::to_string(prompt)}, {"chosen", answer}, {"rejected", "no"}}) +
          "\n";
  DataOptions options;
  options.path = folder.write("rows.jsonl", rows);
  const auto data = Dataset::open(options, codec, record::GroupShape::kPairs, folder.path("cache"));
  const auto [rest, held_out] = split_off(data, 0.2, 5);
  EXPECT_EQ(held_out.size(), 4);
  EXPECT_EQ(rest.size(), 16);
  std::set<std::int64_t> seen;
  std::set<std::vector<std::int32_t>> prompts;
  std::int64_t tokens = 0;
  for (std::int64_t i = 0; i < held_out.size(); ++i) {
    const auto row = held_out.row(i);
    seen.insert(row.index);
    prompts.emplace(row.prompt.begin(), row.prompt.end());
    for (const auto& candidate : row.candidates)
      tokens += std::ssize(row.prompt) + std::ssize(candidate.completion);
  }
  for (std::int64_t i = 0; i < rest.size(); ++i) {
    const auto row = rest.row(i);
    EXPECT_TRUE(seen.insert(row.index).second);
    EXPECT_FALSE(prompts.contains({row.prompt.begin(), row.prompt.end()}));
  }
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_EQ(held_out.summary().tokens, tokens);
  EXPECT_EQ(held_out.summary().pairs, 4);
  EXPECT_EQ(held_out.summary().tokens + rest.summary().tokens, data.summary().tokens);
  EXPECT_EQ(held_out.summary().trained_tokens + rest.summary().trained_tokens, data.summary().trained_tokens);
  EXPECT_NE(held_out.summary().fingerprint, rest.summary().fingerprint);
}

}  // namespace
}  // namespace attune::data
