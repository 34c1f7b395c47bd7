// The sampler against full forward passes of the same model, and against itself under other batchings.
#include "generation/generator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "tests/generation/tiny_models.h"

namespace attune::generation {
namespace {

std::vector<Prompt> some_prompts() {
  // Shared prefixes at two levels, a prompt that is the beginning of another, equal prompts, one token, and
  // prompts longer than a block and than the window.
  const auto base = numbers(21, 7);
  std::vector<std::vector<std::int32_t>> ids = {base, numbers(40, 11), {5}, base, numbers(3, 5)};
  ids.push_back({base.begin(), base.begin() + 16});
  ids.push_back(base);
  ids.back().push_back(9);
  ids.push_back(ids.back());
  ids.back().back() = 10;
  std::vector<Prompt> prompts;
  for (std::size_t i = 0; i < ids.size(); ++i) prompts.push_back({ids[i], 100 + i});
  return prompts;
}

class GeneratorTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, GeneratorTest, testing::Values(kLlama, kWindowed, kQwen, kGpt2),
                         [](const auto& parameter) {
                           const auto names = std::to_array({"llama", "windowed", "qwen", "gpt2"});
                           return std::string(names[parameter.index]);
                         });

TEST_P(GeneratorTest, LogpsEqualFullForward) {
  const model::Model model = tiny_model(GetParam());
  SamplingOptions options;
  options.max_new_tokens = 20;
  options.n = 2;
  const auto prompts = some_prompts();
  const auto results = Generator(model, nullptr).generate(prompts, options, 5);
  ASSERT_EQ(results.size(), prompts.size());
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    ASSERT_EQ(results[p].size(), 2U);
    for (const Sample& sample : results[p]) {
      const auto expected = slow_logps(model, prompts[p].ids, sample.ids);
      ASSERT_EQ(sample.logps.size(), sample.ids.size());
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(sample.logps[i], expected[i], rounding(model));
    }
  }
}

TEST_P(GeneratorTest, GreedyEqualsArgmaxLoop) {
  const model::Model model = tiny_model(GetParam());
  SamplingOptions options;
  options.max_new_tokens = 12;
  options.temperature = 0;
  const auto prompts = some_prompts();
  const auto results = Generator(model, nullptr).generate(prompts, options, 0);
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    std::vector<std::int32_t> ids = prompts[p].ids, expected;
    while (expected.size() < 12 && (expected.empty() || GetParam() != kLlama || expected.back() != 2)) {
      expected.push_back(static_cast<std::int32_t>(next_logps(model, ids).argmax().item<std::int64_t>()));
      ids.push_back(expected.back());
    }
    EXPECT_EQ(results[p][0].ids, expected) << "prompt " << p;
  }
}

TEST_P(GeneratorTest, BatchingDoesNotMatter) {
  const model::Model model = tiny_model(GetParam());
  SamplingOptions options;
  options.max_new_tokens = 15;
  options.n = 3;
  auto prompts = some_prompts();
  const Generator generator(model, nullptr);
  const auto together = generator.generate(prompts, options, 11);
  for (const std::int64_t budget : {1, 100, 300}) {
    options.batch_tokens = budget;
    const auto results = generator.generate(prompts, options, 11);
    for (std::size_t p = 0; p < prompts.size(); ++p) {
      for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(results[p][s].ids, together[p][s].ids) << budget;
    }
  }
  std::reverse(prompts.begin(), prompts.end());
  options.batch_tokens = 200;
  const auto reversed = generator.generate(prompts, options, 11);
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const std::size_t other = prompts.size() - 1 - p;
    for (std::size_t s = 0; s < 3; ++s) {
      EXPECT_EQ(reversed[p][s].ids, together[other][s].ids);
      for (std::size_t i = 0; i < reversed[p][s].logps.size(); ++i) {
        EXPECT_NEAR(reversed[p][s].logps[i], together[other][s].logps[i], rounding(model));
      }
    }
  }
}

TEST(Generator, ThreadsDoNotMatter) {
  // Large enough that a step's work is shared out: 64 rows * 520 keys * 256 = 4 * 2^21 multiply-adds of
  // attention. Under ThreadSanitizer (scripts/sanitize) this shows whether the parts are apart from each
  // other.
  const model::Model model = tiny_model(R"({"model_type": "llama", "vocab_size": 61, "hidden_size": 256,
    "intermediate_size": 256, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 600, "eos_token_id": null})");
  SamplingOptions options;
  options.max_new_tokens = 3;
  options.n = 64;
  const auto ids = numbers(520, 7);
  const std::vector<Prompt> prompts = {{ids, 1}};
  const auto alone = Generator(model, nullptr).generate(prompts, options, 5);
  at::set_num_threads(4);
  const auto together = Generator(model, nullptr).generate(prompts, options, 5);
  at::set_num_threads(1);
  for (std::size_t i = 0; i < alone[0].size(); ++i) {
    EXPECT_EQ(together[0][i].ids, alone[0][i].ids);
    for (std::size_t t = 0; t < alone[0][i].logps.size(); ++t)
      EXPECT_NEAR(together[0][i].logps[t], alone[0][i].logps[t], rounding(model, 523));
  }
}

TEST(Generator, SeedStepRecordAndSampleChangeTheDraw) {
  const model::Model model = tiny_model(kWindowed);
  const Generator generator(model, nullptr);
  SamplingOptions options;
  options.max_new_tokens = 10;
  options.n = 2;
  const std::vector<Prompt> prompts = {{{4, 5, 6}, 0}, {{4, 5, 6}, 1}};
  const auto base = generator.generate(prompts, options, 1, 0);
  EXPECT_EQ(generator.generate(prompts, options, 1, 0)[0][0].ids, base[0][0].ids);
  EXPECT_NE(base[0][0].ids, base[0][1].ids);
  EXPECT_NE(base[0][0].ids, base[1][0].ids);
  EXPECT_NE(generator.generate(prompts, options, 2, 0)[0][0].ids, base[0][0].ids);
  EXPECT_NE(generator.generate(prompts, options, 1, 1)[0][0].ids, base[0][0].ids);
}

TEST(Generator, FirstTokenFollowsTheModelsDistribution) {
  const model::Model model = tiny_model(kWindowed);
  SamplingOptions options;
  options.max_new_tokens = 1;
  options.n = 20000;
  const std::vector<Prompt> prompts = {{{4, 5, 6}, 3}};
  const auto samples = Generator(model, nullptr).generate(prompts, options, 1)[0];
  const at::Tensor expected = next_logps(model, prompts[0].ids).exp();
  std::vector<double> counts(61);
  for (const Sample& sample : samples) ++counts[static_cast<std::size_t>(sample.ids[0])];
  for (std::int64_t i = 0; i < 61; ++i) {
    const double p = expected[i].item<double>();
    const double sigma = std::sqrt(p * (1 - p) / 20000);  // binomial
    EXPECT_NEAR(counts[static_cast<std::size_t>(i)] / 20000, p, 5 * sigma + 1e-4) << "token " << i;
  }
}

TEST(Generator, EndsAtEndOfSequenceAndAtTheContext) {
  model::Model model = tiny_model(kLlama);
  model.weights().embedding[2].mul_(6);  // the tied head now likes or dislikes the end of sequence much more
  SamplingOptions options;
  options.max_new_tokens = 200;
  options.n = 30;
  const std::vector<Prompt> prompts = {{numbers(90, 3), 0}};
  bool stopped = false, at_length = false;
  const auto results = Generator(model, nullptr).generate(prompts, options, 3);
  for (const Sample& sample : results[0]) {
    const auto end = std::find(sample.ids.begin(), sample.ids.end(), 2);
    if (sample.finish_reason == "stop") {
      EXPECT_EQ(end, sample.ids.end() - 1);
      stopped = true;
    } else {
      EXPECT_EQ(end, sample.ids.end());
      EXPECT_EQ(sample.ids.size(), 6U);  // 96 positions, the prompt has 90

      at_length = true;
    }
  }
  EXPECT_TRUE(stopped && at_length);
}

TEST_P(GeneratorTest, WhatIsSampledCanBeTrainedOn) {
  // Whole sequences, last tokens included: the stream that training computes.
  const model::Model model = tiny_model(GetParam());
  const std::int64_t context = model.config().context();
  SamplingOptions options;
  options.max_new_tokens = 1000;
  options.n = 4;
  const std::vector<Prompt> prompts = {{numbers(static_cast<std::int32_t>(context) - 5, 3), 0},
                                       {numbers(static_cast<std::int32_t>(context) - 1, 3), 1}};
  const auto results = Generator(model, nullptr).generate(prompts, options, 3);
  for (std::size_t p = 0; p < prompts.size(); ++p)
    for (const Sample& sample : results[p]) {
      std::vector<std::int32_t> ids = prompts[p].ids;
      ids.insert(ids.end(), sample.ids.begin(), sample.ids.end());
      EXPECT_LE(static_cast<std::int64_t>(ids.size()), context);
      if (sample.finish_reason == "length") {
        EXPECT_EQ(static_cast<std::int64_t>(ids.size()), context);
      }
      const core::TokenSequence sequence{ids, 0,
                                         model.config().table_of(static_cast<std::int64_t>(ids.size()))};
      EXPECT_NO_THROW(model.hidden(core::build_forest(std::span(&sequence, 1), false)));
    }
}

TEST(Generator, RepetitionPenaltyEqualsItsDefinition) {
  const model::Model model = tiny_model(kGpt2);
  SamplingOptions options;
  options.max_new_tokens = 12;
  options.temperature = 0;
  options.repetition_penalty = 1.7;
  const std::vector<Prompt> prompts = {{numbers(9, 4), 0}};
  const auto sample = Generator(model, nullptr).generate(prompts, options, 0)[0][0];
  std::vector<std::int32_t> ids = prompts[0].ids, expected;
  const c10::NoGradGuard no_gradients;
  while (expected.size() < 12) {
    const core::TokenSequence sequence{ids, 0, 0};
    const at::Tensor hidden = model.hidden(core::build_forest(std::span(&sequence, 1), false));
    const at::Tensor logits = at::linear(hidden[-1], model.head().weight, model.head().bias).clone();
    const std::set<std::int32_t> seen(ids.begin(), ids.end());
    for (const std::int32_t id : seen) {
      const double value = logits[id].item<double>();
      logits[id] = value < 0 ? value * 1.7 : value / 1.7;
    }
    expected.push_back(static_cast<std::int32_t>(logits.argmax().item<std::int64_t>()));
    ids.push_back(expected.back());
  }
  EXPECT_EQ(sample.ids, expected);
}

TEST(Generator, AdapterIsMergedForThePolicyAndOffForTheReference) {
  model::Model model = tiny_model(kLlama);
  model::AdapterOptions adapter;
  adapter.type = "lora";
  adapter.rank = 4;
  adapter.target_modules = {"all-linear"};
  model.add_adapter(adapter, 1);
  for (model::Layer& layer : model.weights().layers) layer.down.adapter->tensors[1].data().normal_(0, 0.3);
  SamplingOptions options;
  options.max_new_tokens = 8;
  const std::vector<Prompt> prompts = {{numbers(5, 3), 0}};
  for (const auto which : {model::Weights::kPolicy, model::Weights::kReference}) {
    const auto sample = Generator(model, nullptr, which).generate(prompts, options, 3)[0][0];
    std::vector<std::int32_t> ids = prompts[0].ids;
    const c10::NoGradGuard no_gradients;
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      const core::TokenSequence sequence{ids, 0, 0};
      const at::Tensor hidden = model.hidden(core::build_forest(std::span(&sequence, 1), false), which);
      const at::Tensor logps = at::log_softmax(at::linear(hidden[-1], model.head(which).weight), -1);
      EXPECT_NEAR(sample.logps[i], logps[sample.ids[i]].item<double>(), rounding(model));
      ids.push_back(sample.ids[i]);
    }
  }
}

void expect_error(const model::Model& model, const std::vector<Prompt>& prompts,
                  const SamplingOptions& options, int exit_code, const std::string& part) {
  try {
    Generator(model, nullptr).generate(prompts, options, 0);
    FAIL() << "no error about " << part;
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), exit_code);
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

TEST(Generator, Errors) {
  model::Model model = tiny_model(kGpt2);
  SamplingOptions options;
  expect_error(model, {{{}, 0}}, options, 2, "no tokens");
  expect_error(model, {{{61}, 0}}, options, 2, "61");
  expect_error(model, {{{-1}, 0}}, options, 2, "-1");
  expect_error(model, {{numbers(65, 1), 8}}, options, 2, "context of 64");
  expect_error(model, {{numbers(64, 1), 8}}, options, 2, "no room");
  options.stop = {"x"};
  expect_error(model, {{{1}, 0}}, options, 2, "tokenizer");
  options = {};
  options.top_p = std::numeric_limits<double>::quiet_NaN();
  expect_error(model, {{{1}, 0}}, options, 2, "top_p");
  options = {};
  model.weights().layers[1].down.weight.data()[0][0] = std::numeric_limits<float>::quiet_NaN();
  expect_error(model, {{{1}, 0}}, options, 1, "not numbers");
}

}  // namespace
}  // namespace attune::generation
