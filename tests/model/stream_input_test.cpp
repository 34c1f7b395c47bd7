// Tokens that come as vectors: the same numbers as by id, nothing shared that differs, gradients reach them.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <vector>

#include "decoded.h"
#include "gradients.h"
#include "model/decode/decoder.h"
#include "support.h"

namespace attune::model {
namespace {

using Keys = std::vector<std::uint64_t>;

core::Forest forest_of(const std::vector<test::Ids>& ids, const std::vector<Keys>& content) {
  std::vector<core::TokenSequence> sequences;
  for (std::size_t i = 0; i < ids.size(); ++i) sequences.push_back({ids[i], 0, 0, content[i]});
  return core::build_forest(sequences);
}

/// A text whose tokens 2 to 4 come as vectors, for which some placeholder stands in the ids.
struct GivenText {
  test::Ids ids = {7, 9, 11, 12, 13, 20, 21};  ///< as they are
  test::Ids placeholders = {7, 9, -1, -1, 49, 20, 21};
  GivenRows given;
  Keys content;

  explicit GivenText(const Model& model) {
    given.vectors = model.weights().embedding.detach().slice(0, 11, 14) * model.config().embedding_scale;
    given.keys = content_keys(given.vectors);
    content = {0, 0, given.keys[0], given.keys[1], given.keys[2], 0, 0};
  }
};

std::vector<core::Json> given_models() {
  return {test::tiny_llama(), test::tiny_gpt2(), core::Json{{"model_type", "zz_family"}}};
}

TEST(StreamInput, RowsGivenAsVectorsEqualTheSameIds) {
  const c10::NoGradGuard no_grad;
  for (const core::Json& config : given_models()) {
    const Model model = test::sharp_model(config);
    const GivenText text(model);
    const test::Case plain{"", {text.ids}, {}};
    const at::Tensor expected = model.hidden(plain.forest());
    const auto forest = forest_of({text.placeholders}, {text.content});
    EXPECT_TRUE(model.hidden({forest, &text.given}).equal(expected)) << config.dump();

    const Decoder decoder(model.weights(), model.config(), Weights::kPolicy);
    const KvPool pool(decoder.shape());
    EXPECT_LT(test::furthest(decoder.read_prompts({forest, &text.given}, pool)[0].hidden, expected[-1]),
              test::hidden_tolerance(model, expected, expected.size(0)));
  }
}

TEST(StreamInput, EqualIdsWithOtherVectorsShareNothingFromThereOn) {
  const test::Ids ids = {5, 5, 5, 6};
  const auto all_differ = forest_of({ids, ids}, {{1, 2, 3, 0}, {4, 2, 3, 0}});
  EXPECT_EQ(all_differ.size(), 8);  // the first token differs already
  EXPECT_EQ(all_differ.segments.size(), 2U);
  const auto from_the_third = forest_of({ids, ids}, {{1, 2, 3, 0}, {1, 2, 4, 0}});
  EXPECT_EQ(from_the_third.size(), 6);  // two shared, then 5 6 and 5 6
  EXPECT_EQ(from_the_third.content, (Keys{1, 2, 3, 0, 4, 0}));
  EXPECT_EQ(forest_of({ids, ids}, {{1, 2, 3, 0}, {1, 2, 3, 0}}).size(), 4);
  // a vector is never the same as an id, whatever id stands in its place
  EXPECT_EQ(forest_of({ids, ids}, {{0, 2, 0, 0}, {}}).size(), 7);
  EXPECT_EQ(core::forest_size(std::vector<core::TokenSequence>{{ids, 0, 0, {}}, {ids, 0, 0, {}}}), 4);
}

TEST(StreamInput, OtherVectorsGiveOtherNumbersEachAsIfAlone) {
  const c10::NoGradGuard no_grad;
  const Model model = test::sharp_model(test::tiny_llama());
  GivenText text(model);
  const at::Tensor other = text.given.vectors.slice(0, 0, 1) + 1;
  text.given.keys.push_back(content_keys(other)[0]);
  text.given.vectors = at::cat({text.given.vectors, other});
  Keys changed = text.content;
  changed[3] = text.given.keys[3];
  const auto both = forest_of({text.placeholders, text.placeholders}, {text.content, changed});
  const at::Tensor together = model.hidden({both, &text.given});
  for (std::size_t s = 0; s < 2; ++s) {
    const auto alone = forest_of({text.placeholders}, {s == 0 ? text.content : changed});
    const auto stream = both.stream_indices(s);
    const at::Tensor rows = at::tensor(std::vector<std::int64_t>(stream.begin(), stream.end()));
    EXPECT_LT(test::furthest(together.index_select(0, rows), model.hidden({alone, &text.given})), 1e-12);
  }
  EXPECT_GT(test::furthest(together[both.segments.back().end - 1],
                           together[both.segments[static_cast<std::size_t>(both.leaf_of[0])].end - 1]),
            1e-3);
}

TEST(StreamInput, GradientsReachTheVectors) {
  for (const core::Json& config : given_models()) {
    Model model = test::sharp_model(config);
    if (model.config().tie_embeddings) continue;  // the embedding's gradient is the head's as well
    model.trainable();
    GivenText text(model);
    const test::Case plain{"", {text.ids}, {}};
    const auto loss = [](const at::Tensor& hidden) {
      return (hidden * at::cos(at::arange(hidden.numel(), at::kDouble)).view(hidden.sizes())).sum();
    };
    loss(model.hidden(plain.forest())).backward();
    const at::Tensor expected = model.weights().embedding.grad().slice(0, 11, 14).clone();
    text.given.vectors = text.given.vectors.clone().requires_grad_();
    loss(model.hidden({forest_of({text.placeholders}, {text.content}), &text.given})).backward();
    EXPECT_GT(expected.abs().max().item<double>(), 1e-3);
    EXPECT_LT(test::furthest(text.given.vectors.grad() * model.config().embedding_scale, expected), 1e-12);
  }
}

TEST(StreamInput, ContentKeysFollowTheRows) {
  const at::Tensor rows = at::tensor({1.0, 2.0, 1.0, 2.0, 2.0, 1.0}, at::kDouble).view({3, 2});
  const Keys keys = content_keys(rows);
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_NE(keys[0], keys[2]);
}

}  // namespace
}  // namespace attune::model
