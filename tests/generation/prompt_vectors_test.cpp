// Prompts in which vectors stand in the place of ids.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "generation/session/session.h"
#include "tests/generation/tiny_models.h"

namespace attune::generation {
namespace {

/// The prompt with its tokens from `first` on given as vectors: what the model's own embedding says, plus
/// `shift`.
Prompt with_vectors(const model::Model& model, const Prompt& prompt, std::size_t first, double shift) {
  auto vectors = std::make_shared<PromptVectors>();
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < prompt.ids.size(); ++i) {
    vectors->content.push_back(0);
    if (i < first) continue;
    rows.push_back(model.weights().embedding[prompt.ids[i]] + shift);
    vectors->content.back() = model::content_keys(rows.back().unsqueeze(0))[0];
    auto& given = vectors->given;
    if (std::find(given.keys.begin(), given.keys.end(), vectors->content.back()) != given.keys.end()) {
      rows.pop_back();
    } else {
      given.keys.push_back(vectors->content.back());
    }
  }
  vectors->given.vectors = at::stack(rows);
  return {prompt.ids, prompt.record, vectors};
}

class VectorsTest : public testing::TestWithParam<const char*> {
 protected:
  VectorsTest() : model(tiny_model(GetParam())), lanes(model) {
    options.max_new_tokens = 8;
    chain = std::make_shared<const DecodingChain>(options, lanes, false);
  }
  std::vector<Sample> alone(const Prompt& prompt) const {
    Session session(lanes, nullptr, 100000);
    const RequestId id = session.submit({prompt, chain, 5});
    while (session.step()) continue;
    return session.take(id);
  }
  model::Model model;
  Lanes lanes;
  SamplingOptions options;
  std::shared_ptr<const DecodingChain> chain;
};
INSTANTIATE_TEST_SUITE_P(Models, VectorsTest, testing::Values(kWindowed, kGpt2));

void expect_near(const model::Model& model, const std::vector<Sample>& a, const std::vector<Sample>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t s = 0; s < a.size(); ++s) {
    EXPECT_EQ(a[s].ids, b[s].ids);
    ASSERT_EQ(a[s].logps.size(), b[s].logps.size());
    for (std::size_t t = 0; t < a[s].logps.size(); ++t)
      EXPECT_NEAR(a[s].logps[t], b[s].logps[t], rounding(model));
  }
}

TEST_P(VectorsTest, TheModelsOwnVectorsSayWhatTheIdsSay) {
  const Prompt prompt{numbers(21, 7), 3};
  for (const std::size_t first : {0, 20, 9})
    expect_near(model, alone(with_vectors(model, prompt, first, 0)), alone(prompt));
}

TEST_P(VectorsTest, EqualIdsWithOtherVectorsShareNothing) {
  const Prompt prompt{numbers(40, 7), 3};
  const Prompt one = with_vectors(model, prompt, 0, 0.5), two = with_vectors(model, prompt, 0, -0.5);
  Session session(lanes, nullptr, 100000);
  std::vector<RequestId> ids;
  for (const Prompt& each : {one, two, one, prompt}) ids.push_back(session.submit({each, chain, 5}));
  session.step();
  EXPECT_EQ(session.blocks_in_use(), 3 * 3);  // 40 tokens are 3 blocks; the third prompt is the first
  while (session.step()) continue;
  const auto first = session.take(ids[0]), second = session.take(ids[1]);
  EXPECT_NE(first[0].logps, second[0].logps);
  expect_near(model, first, alone(one));
  expect_near(model, second, alone(two));
  expect_near(model, session.take(ids[2]), first);
  expect_near(model, session.take(ids[3]), alone(prompt));
}

TEST_P(VectorsTest, WhatIsBeforeTheFirstOtherVectorIsShared) {
  const Prompt prompt{numbers(40, 7), 3};
  Session session(lanes, nullptr, 100000);
  session.submit({with_vectors(model, prompt, 32, 0.5), chain, 5});
  session.submit({with_vectors(model, prompt, 32, -0.5), chain, 5});
  session.step();
  EXPECT_EQ(session.blocks_in_use(), 2 + 1 + 1);
}

TEST_P(VectorsTest, VectorsThatDoNotFitAreRefused) {
  const Prompt prompt = with_vectors(model, {numbers(5, 7), 3}, 2, 0);
  Session session(lanes, nullptr, 100000);
  const auto refused = [&](auto change, const std::string& part) {
    auto vectors = std::make_shared<PromptVectors>(*prompt.vectors);
    change(*vectors);
    try {
      session.submit({{prompt.ids, 3, vectors}, chain, 5});
      FAIL() << "no error about " << part;
    } catch (const core::Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(part));
    }
  };
  refused([](PromptVectors& v) { v.content.pop_back(); }, "4 content keys");
  refused([](PromptVectors& v) { v.content[3] = 12345; }, "12345");
  refused([](PromptVectors& v) { v.given.vectors = v.given.vectors.narrow(1, 0, 3); }, "numbers for each");
}

}  // namespace
}  // namespace attune::generation
