// Caches that are forked and cut back against caches computed afresh.
#include "model/decode/cache.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <vector>

#include "core/forest.h"
#include "model/decode/decoder.h"
#include "model/model.h"
#include "tests/model/support.h"
#include "tests/tolerance.h"

namespace attune::model {
namespace {

using test::Ids;

constexpr const char* kLlama = R"({"model_type": "llama", "vocab_size": 61, "hidden_size": 32,
  "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 96})";
constexpr const char* kGpt2 =
    R"({"model_type": "gpt2", "vocab_size": 61, "n_embd": 36, "n_layer": 2, "n_head": 3,
  "n_positions": 96})";
constexpr const char* kWindowed = R"({"model_type": "mistral", "vocab_size": 61, "hidden_size": 40,
  "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 5, "num_key_value_heads": 1,
  "head_dim": 8, "max_position_embeddings": 96, "sliding_window": 7})";

Ids ids_from(std::int32_t first, std::int32_t count) {
  Ids ids;
  for (std::int32_t i = 0; i < count; ++i) ids.push_back((first + 7 * i) % 61);
  return ids;
}

class CacheTest : public testing::TestWithParam<const char*> {
 protected:
  CacheTest()
      : model(Model::random(core::parse_json(GetParam(), "test"), 7)),
        decoder(model.weights(), model.config(), Weights::kPolicy),
        pool(decoder.shape()) {
    at::set_num_threads(1);
  }

  KvSequence read(const Ids& prompt) const {
    const core::TokenSequence sequence{prompt, 0, 0};
    return decoder.read_prompts(core::build_forest(std::span(&sequence, 1)), pool)[0].cache.fork();
  }
  /// Computes one token after the other; hidden state of the last [1, D].
  at::Tensor feed(KvSequence& cache, const Ids& ids) const {
    at::Tensor hidden;
    for (const std::int32_t id : ids) {
      const auto blocks = cache.extend();
      const DecodeRow row{id, cache.size() - 1, 0, blocks};
      hidden = decoder.step(std::span(&row, 1));
    }
    return hidden;
  }

  Model model;
  Decoder decoder;
  KvPool pool;
};
INSTANTIATE_TEST_SUITE_P(Families, CacheTest, testing::Values(kLlama, kGpt2, kWindowed));

TEST_P(CacheTest, ForksGoTheirOwnWaysAsIfComputedAfresh) {
  const Ids prompt = ids_from(3, 21), common = ids_from(5, 11), left = ids_from(1, 20),
            right = ids_from(2, 20);
  KvSequence one = read(prompt);
  feed(one, common);
  KvSequence two = one.fork();
  // Turn by turn, so that either would see what the other wrote.
  at::Tensor hidden_one, hidden_two;
  for (std::size_t i = 0; i < left.size(); ++i) {
    hidden_one = feed(one, {left[i]});
    hidden_two = feed(two, {right[i]});
  }
  KvSequence fresh_one = read(prompt), fresh_two = read(prompt);
  feed(fresh_one, common);
  feed(fresh_two, common);
  EXPECT_TRUE(at::equal(hidden_one, feed(fresh_one, left)));
  EXPECT_TRUE(at::equal(hidden_two, feed(fresh_two, right)));
  EXPECT_FALSE(at::equal(hidden_one, hidden_two));
}

TEST_P(CacheTest, CutBackEqualsComputedAfresh) {
  const Ids prompt = ids_from(3, 21), first = ids_from(5, 30), second = ids_from(1, 25);
  for (const std::int32_t kept : {30, 29, 17, 16, 15, 1, 0}) {
    KvSequence cache = read(prompt);
    feed(cache, first);
    cache.truncate(21 + kept);
    EXPECT_EQ(cache.size(), 21 + kept);
    const at::Tensor hidden = feed(cache, second);
    KvSequence fresh = read(prompt);
    feed(fresh, Ids(first.begin(), first.begin() + kept));
    EXPECT_TRUE(at::equal(hidden, feed(fresh, second))) << kept;
  }
}

TEST_P(CacheTest, CutBackIntoThePromptEqualsComputedAfresh) {
  const Ids prompt = ids_from(3, 40), more = ids_from(1, 25);
  const KvSequence whole = read(prompt);
  for (const std::int32_t kept : {39, 32, 20, 16, 3, 0}) {
    KvSequence cache = whole.fork();
    cache.truncate(kept);
    const at::Tensor hidden = feed(cache, more);
    KvSequence fresh(pool);
    feed(fresh, Ids(prompt.begin(), prompt.begin() + kept));
    // Blocks begin elsewhere, so sums are made in another order.
    const at::Tensor afresh = feed(fresh, more);
    const double tolerance =
        attune::test::activation_tolerance(model.config(), afresh.abs().max().item<double>(), kept + 25);
    EXPECT_LT((hidden - afresh).abs().max().item<double>(), tolerance) << kept;
  }
  KvSequence again = whole.fork();  // what the forks did left the original alone
  KvSequence fresh = read(prompt);
  EXPECT_TRUE(at::equal(feed(again, more), feed(fresh, more)));
}

TEST(KvSequence, BlocksAreSharedUntilOneWrites) {
  const KvPool pool({1, 1, 4});
  KvSequence one(pool);
  for (int i = 0; i < 20; ++i) one.extend();  // a whole block and four positions of another
  EXPECT_EQ(pool.blocks_in_use(), 2);
  {
    KvSequence two = one.fork();
    EXPECT_EQ(pool.blocks_in_use(), 2);
    EXPECT_EQ(two.extend().size(), 2U);  // its own copy of the second block
    EXPECT_EQ(pool.blocks_in_use(), 3);
    EXPECT_EQ(two.size(), 21);
    EXPECT_EQ(one.size(), 20);
    EXPECT_EQ(two.blocks()[0].data, one.blocks()[0].data);
    EXPECT_NE(two.blocks()[1].data, one.blocks()[1].data);
    two.truncate(3);
    EXPECT_EQ(pool.blocks_in_use(), 2);
    EXPECT_EQ(two.extend().size(), 1U);  // the first block is shared with `one`: copied
    EXPECT_NE(two.blocks()[0].data, one.blocks()[0].data);
    EXPECT_EQ(pool.blocks_in_use(), 3);
  }
  EXPECT_EQ(pool.blocks_in_use(), 2);
  const float* second = one.blocks()[1].data;
  one.extend();  // alone again: written in place
  EXPECT_EQ(one.blocks()[1].data, second);
  one.truncate(0);
  EXPECT_EQ(pool.blocks_in_use(), 0);
}

TEST(KvSequence, ASealedBeginningIsSharedForGood) {
  const KvPool pool({1, 1, 4});
  KvSequence prompt(pool);
  for (int i = 0; i < 20; ++i) prompt.extend();
  prompt.seal();
  KvSequence one = prompt.fork(), two = prompt.fork();
  EXPECT_EQ(one.extend().size(), 3U);
  EXPECT_EQ(two.extend().back().first_position, 20);
  EXPECT_EQ(one.blocks()[1].data, two.blocks()[1].data);
  EXPECT_EQ(pool.blocks_in_use(), 4);
}

}  // namespace
}  // namespace attune::model
