// Steps whose prompts come as vectors: the same numbers as by id, nothing shared that differs, gradients
// reach the vectors.
#include <gtest/gtest.h>

#include "tests/training/step_fixture.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";

class GivenPrompts : public ::testing::Test {
 protected:
  GivenPrompts() : policy_(fixture::tiny_model(1)), reference_(fixture::tiny_model(1)) {
    at::Tensor(reference_.weights().layers[0].down.weight.detach()).mul_(5);  // it embeds as the policy does
    policy_.trainable();
    const auto rows = fixture::random_rows(4, 2, 31);
    plain_ = assemble_step(fixture::views(rows), *dpo_, policy_.config(), dpo_->shape());
    given_ = plain_;
    auto vectors = std::make_shared<model::GivenRows>();
    vectors->vectors = policy_.weights().embedding.detach().clone().requires_grad_();
    vectors->keys = model::content_keys(vectors->vectors);
    for (data::PackItem& item : given_.items) {
      item.content.assign(item.ids.size(), 0);
      for (std::size_t k = 0; k < static_cast<std::size_t>(item.prompt_length); ++k) {
        item.content[k] = vectors->keys[static_cast<std::size_t>(item.ids[k])];
        item.ids[k] = -1;  // what stands in their place is no id
      }
    }
    given_.given = vectors;
  }
  StepResult learn(const Step& step, std::int64_t budget) {
    algorithm::State state;
    return Engine(policy_, {&reference_}, {.micro_batch_tokens = budget}).run(step, *dpo_, state);
  }

  std::unique_ptr<algorithm::Method> dpo_ = algorithm::make_method(core::Value::scalar("dpo", false, "test"));
  model::Model policy_, reference_;
  Step plain_, given_;
};

TEST_F(GivenPrompts, TrainAsTheSameIds) {
  for (const std::int64_t budget : {1, 30, 1 << 20}) {
    const auto expected = learn(plain_, budget);
    auto by_ids = fixture::take_gradients(policy_);
    const auto found = learn(given_, budget);
    auto by_vectors = fixture::take_gradients(policy_);
    at::Tensor& of_vectors = at::Tensor(given_.given->vectors).mutable_grad();
    ASSERT_TRUE(of_vectors.defined());
    EXPECT_GT(of_vectors.abs().max().item<double>(), 0);
    by_vectors.at(kEmbedding) += of_vectors;  // what the embedding gets of prompts that are ids
    of_vectors = at::Tensor();
    EXPECT_NEAR(found.loss, expected.loss, 1e-12) << budget;
    EXPECT_EQ(found.computed_tokens, expected.computed_tokens) << budget;
    EXPECT_LT(fixture::distance(by_ids, by_vectors), 1e-10) << budget;
  }
}

TEST_F(GivenPrompts, AreScoredAsTheSameIds) {
  const auto read = [&](const Step& step) {
    return generation::Scorer(reference_, model::Weights::kPolicy, {.given = step.given.get()})
        .logps(step.items);
  };
  EXPECT_EQ(read(given_), read(plain_));
}

TEST_F(GivenPrompts, WithEqualIdsAndOtherVectorsShareNothing) {
  // Two answers to a prompt of three vectors, which are the same ones or not.
  Step step;
  auto vectors = std::make_shared<model::GivenRows>();
  vectors->vectors = at::sin(at::arange(6 * 16, at::kDouble)).view({6, 16});
  vectors->keys = model::content_keys(vectors->vectors);
  step.given = vectors;
  for (const std::size_t first : {0U, 3U}) {
    data::PackItem item =
        generation::text_item(std::vector<std::int32_t>{5, 5, 5}, std::vector<std::int32_t>{7, 8, 9}, 0);
    item.content = {vectors->keys[first], vectors->keys[first + 1], vectors->keys[first + 2], 0, 0, 0};
    step.items.push_back(item);
    step.candidates.emplace_back();
  }
  const auto sft = algorithm::make_method(core::Value::scalar("sft", false, "test"));
  const Engine engine(policy_, {}, {});
  const auto computed = [&] {
    algorithm::State state;
    return engine.run(step, *sft, state).computed_tokens;
  };
  const auto logps = [&](std::span<const data::PackItem> items) {
    return engine.scorer(algorithm::Source::kPolicy).with(vectors.get()).logps(items);
  };
  EXPECT_EQ(computed(), 12);
  const auto together = logps(step.items), second = logps(std::span(step.items).last(1));
  EXPECT_NE(together[0], together[1]);
  for (std::size_t t = 0; t < 3; ++t) EXPECT_NEAR(together[1][t], second[0][t], 1e-12);
  step.items[1].content = step.items[0].content;
  EXPECT_EQ(computed(), 6);  // the same vectors, the same answer
}

TEST_F(GivenPrompts, WhatIsNotGivenIsSaid) {
  given_.given = nullptr;
  EXPECT_THROW(learn(given_, 30), core::Error);
  auto narrow = std::make_shared<model::GivenRows>();
  narrow->vectors = at::zeros({1, 3}, at::kDouble);
  narrow->keys = {1};
  given_.given = narrow;
  EXPECT_THROW(learn(given_, 30), core::Error);
}

}  // namespace
}  // namespace attune::training
