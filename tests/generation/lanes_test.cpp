// Techniques that read several models, by the double zz_mix (tests/doubles/generation/decoding): against
// logits of full forward passes.
#include <gmock/gmock.h>

#include <string>

#include "core/error.h"
#include "core/random.h"
#include "generation/generator.h"
#include "generation/lane.h"
#include "generation/sampling/sampler.h"
#include "tests/generation/tiny_models.h"

namespace attune::generation {
namespace {

constexpr const char* kOther = R"({"model_type": "gpt2", "vocab_size": 61, "n_embd": 36, "n_layer": 2,
  "n_head": 3, "n_positions": 64, "eos_token_id": null})";

std::vector<Prompt> three_prompts() { return {{numbers(21, 7), 4}, {numbers(9, 11), 5}, {{5}, 6}}; }

core::Value technique(const std::string& yaml) { return core::parse_yaml(yaml, "test"); }

/// α times the policy's logits of the next token and (1 − α) times the other's, by full forward passes.
std::vector<float> mixed(const model::Model& policy, const std::vector<std::int32_t>& ids,
                         const model::Model& other, const std::vector<std::int32_t>& other_ids,
                         double alpha) {
  const at::Tensor z = next_logps(policy, ids), z_other = next_logps(other, other_ids);
  const at::Tensor sum = (alpha * z + (1 - alpha) * z_other).contiguous();
  return {sum.const_data_ptr<float>(), sum.const_data_ptr<float>() + sum.numel()};
}

/// Expects every token to be the one that the mixed distribution gives for the token's random number, and
/// log-probabilities that are the policy's alone.
void expect_mixed(const Sample& sample, const Prompt& prompt, const model::Model& policy,
                  const model::Model& other, std::vector<std::int32_t> other_ids, double alpha,
                  const SamplingOptions& options) {
  std::vector<std::int32_t> ids = prompt.ids;
  ASSERT_EQ(static_cast<std::int64_t>(sample.ids.size()), options.max_new_tokens);
  for (std::size_t t = 0; t < sample.ids.size(); ++t) {
    std::vector<float> logits = mixed(policy, ids, other, other_ids, alpha);
    filter(logits, {options.temperature, options.top_k, options.top_p, options.min_p});
    const double uniform = core::uniform({3, core::Purpose::kSampling, 0, prompt.record, 0, t});
    EXPECT_EQ(sample.ids[t], choose(distribution(logits), uniform)) << "token " << t;
    EXPECT_NEAR(sample.logps[t], next_logps(policy, ids)[sample.ids[t]].item<double>(), rounding(policy));
    ids.push_back(sample.ids[t]);
    other_ids.push_back(sample.ids[t]);
  }
}

class MixTest : public testing::Test {
 protected:
  MixTest() : policy(tiny_model(kQwen)), other(tiny_model(kOther)) { options.max_new_tokens = 18; }
  model::Model policy, other;
  SamplingOptions options;
};

TEST_F(MixTest, DrawsFromTheMixOfTwoModels) {
  for (const double temperature : {0.0, 0.8}) {
    options.temperature = temperature;
    options.decoding = technique("{name: zz_mix, other: b, alpha: 0.3}");
    Generator generator(policy, nullptr);
    generator.lanes().add("b", other);
    const auto prompts = three_prompts();
    const auto results = generator.generate(prompts, options, 3);
    for (std::size_t p = 0; p < prompts.size(); ++p)
      expect_mixed(results[p][0], prompts[p], policy, other, prompts[p].ids, 0.3, options);
  }
}

TEST_F(MixTest, ALaneMayReadAnotherPrompt) {
  // The policy is its own other model: two streams of one lane, of different lengths.
  options.decoding = technique("{name: zz_mix, alpha: 0.4, other_prompt: [7, 8, 9]}");
  const auto prompts = three_prompts();
  const auto results = Generator(policy, nullptr).generate(prompts, options, 3);
  for (std::size_t p = 0; p < prompts.size(); ++p)
    expect_mixed(results[p][0], prompts[p], policy, policy, {7, 8, 9}, 0.4, options);
}

TEST_F(MixTest, AllOfThePolicyIsPlainSampling) {
  const auto prompts = three_prompts();
  Generator generator(policy, nullptr);
  generator.lanes().add("b", other);
  options.top_k = 7;
  options.n = 2;
  options.repetition_penalty = 1.2;
  const auto plain = generator.generate(prompts, options, 3);
  options.decoding = technique("{name: zz_mix, other: b, alpha: 1}");
  const auto mix = generator.generate(prompts, options, 3);
  for (std::size_t p = 0; p < prompts.size(); ++p)
    for (std::size_t s = 0; s < 2; ++s) {
      EXPECT_EQ(mix[p][s].ids, plain[p][s].ids);
      EXPECT_EQ(mix[p][s].logps, plain[p][s].logps);
    }
}

TEST_F(MixTest, TechniquesComposeInOrder) {
  // 0.5 (0.5 z + 0.5 b) + 0.5 b = 0.25 z + 0.75 b; all of them before the filters of `sample`.
  options.decoding = technique("[{name: zz_mix, other: b}, {name: zz_mix, other: b, alpha: 0.5}]");
  options.top_k = 3;
  Generator generator(policy, nullptr);
  generator.lanes().add("b", other);
  const auto prompts = three_prompts();
  const auto results = generator.generate(prompts, options, 3);
  for (std::size_t p = 0; p < prompts.size(); ++p)
    expect_mixed(results[p][0], prompts[p], policy, other, prompts[p].ids, 0.25, options);
}

TEST_F(MixTest, SampleMaySayItsOwnSettings) {
  const auto prompts = three_prompts();
  const Generator generator(policy, nullptr);
  options.temperature = 0;
  const auto greedy = generator.generate(prompts, options, 3);
  options.temperature = 1;
  options.decoding = technique("{name: sample, temperature: 0}");
  const auto own = generator.generate(prompts, options, 3);
  for (std::size_t p = 0; p < prompts.size(); ++p) EXPECT_EQ(own[p][0].ids, greedy[p][0].ids);
}

TEST_F(MixTest, TheSmallestContextOfTheLanesEndsASample) {
  options.max_new_tokens = 200;
  options.decoding = technique("{name: zz_mix, other: b}");
  Generator generator(policy, nullptr);
  generator.lanes().add("b", other);
  const std::vector<Prompt> prompts = {{numbers(60, 7), 1}};  // of 96 and of 64 positions
  const Sample sample = generator.generate(prompts, options, 3)[0][0];
  EXPECT_EQ(sample.ids.size(), 4U);
  EXPECT_EQ(sample.finish_reason, "length");
}

void expect_refused(Generator& generator, const SamplingOptions& options, const std::string& part) {
  try {
    generator.generate(three_prompts(), options, 3);
    FAIL() << "no error about " << part;
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

TEST_F(MixTest, Errors) {
  Generator generator(policy, nullptr);
  options.decoding = technique("zz_mxi");
  expect_refused(generator, options, "did you mean 'zz_mix'?");
  options.decoding = technique("{name: zz_mix, alhpa: 1}");
  expect_refused(generator, options, "alpha");
  options.decoding = technique("{alpha: 1}");
  expect_refused(generator, options, "technique's name");
  options.decoding = technique("{name: zz_mix, other: /nowhere}");
  expect_refused(generator, options, "/nowhere");
  const model::Model small =
      tiny_model(R"({"model_type": "gpt2", "vocab_size": 60, "n_embd": 36, "n_layer": 1,
    "n_head": 3, "n_positions": 64, "eos_token_id": null})");
  generator.lanes().add("small", small);
  options.decoding = technique("{name: zz_mix, other: small}");
  expect_refused(generator, options, "vocabulary of 60");
}

}  // namespace
}  // namespace attune::generation
