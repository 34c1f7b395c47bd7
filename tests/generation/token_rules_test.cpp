// Rules on tokens against logits worked out by hand.
#include "generation/sampling/token_rules.h"

#include <gmock/gmock.h>

#include <limits>

#include "core/error.h"

namespace attune::generation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

constexpr float kNever = -std::numeric_limits<float>::infinity();
const Ids kEnds = {0};
constexpr std::int64_t kLongest = 4;

std::vector<float> restricted(const TokenRules& rules, const Ids& prompt, const Ids& completion,
                              std::vector<float> logits = {1, 1, 1, 1}) {
  TokenRuler(rules).restrict({prompt, completion}, kEnds, kLongest, logits);
  return logits;
}

TEST(TokenRules, NoRunOfTokensOccursTwiceAcrossThePrompt) {
  TokenRules rules;
  rules.no_repeat_ngram_size = 2;
  // 1 was followed by 2 in the prompt and by 3 across its end
  EXPECT_THAT(restricted(rules, {1, 2, 1}, {3, 1}), ElementsAre(1, 1, kNever, kNever));
  rules.no_repeat_ngram_size = 3;
  EXPECT_THAT(restricted(rules, {1, 2, 3}, {1, 2}), ElementsAre(1, 1, 1, kNever));
  EXPECT_THAT(restricted(rules, {1}, {2}), ElementsAre(1, 1, 1, 1));  // shorter than the run
  rules.no_repeat_ngram_size = 1;
  EXPECT_THAT(restricted(rules, {1}, {3}), ElementsAre(1, kNever, 1, kNever));
}

TEST(TokenRules, EndingIsForbiddenUntilThereAreEnough) {
  TokenRules rules;
  rules.min_new_tokens = 2;
  rules.min_length = 9;  // min_new_tokens goes before it
  EXPECT_THAT(restricted(rules, {1, 1}, {1}), ElementsAre(kNever, 1, 1, 1));
  EXPECT_THAT(restricted(rules, {1, 1}, {1, 1}), ElementsAre(1, 1, 1, 1));
  rules.min_new_tokens = 0;
  rules.min_length = 4;
  EXPECT_THAT(restricted(rules, {1, 1}, {1}), ElementsAre(kNever, 1, 1, 1));
  EXPECT_THAT(restricted(rules, {1, 1}, {1, 1}), ElementsAre(1, 1, 1, 1));
}

TEST(TokenRules, WordsAreForbiddenAtTheirLastTokenAndEndingNeverIs) {
  TokenRules rules;
  rules.bad_words_ids = core::Json::parse("[[0], [2, 3], [1]]");
  EXPECT_THAT(restricted(rules, {1}, {2}), ElementsAre(1, kNever, 1, kNever));
  EXPECT_THAT(restricted(rules, {2}, {1}), ElementsAre(1, kNever, 1, 1));
}

TEST(TokenRules, EndingGrowsLikelier) {
  TokenRules rules;
  rules.exponential_decay_length_penalty = {1, 1.5};
  EXPECT_THAT(restricted(rules, {1}, {1}, {-2, 1, 1, 1}), ElementsAre(-2, 1, 1, 1));
  // -2 + 2 · (1.5² - 1) = 0.5
  EXPECT_THAT(restricted(rules, {1}, {1, 1, 1}, {-2, 1, 1, 1}), ElementsAre(0.5, 1, 1, 1));
  EXPECT_THAT(restricted(rules, {1}, {1, 1, 1}, {kNever, 1, 1, 1}), ElementsAre(kNever, 1, 1, 1));
}

TEST(TokenRules, TokensAreForbiddenAlwaysOrAtFirst) {
  TokenRules rules;
  rules.suppress_tokens = {1, 99, -1};
  rules.begin_suppress_tokens = {2};
  EXPECT_THAT(restricted(rules, {1}, {}), ElementsAre(1, kNever, kNever, 1));
  EXPECT_THAT(restricted(rules, {1}, {3}), ElementsAre(1, kNever, 1, 1));
}

TEST(TokenRules, RunsOfThePromptDoNotOccurInTheCompletion) {
  TokenRules rules;
  rules.encoder_no_repeat_ngram_size = 2;
  EXPECT_THAT(restricted(rules, {1, 2, 3}, {2}), ElementsAre(1, 1, 1, kNever));
  EXPECT_THAT(restricted(rules, {1, 2}, {3, 2, 3}), ElementsAre(1, 1, 1, 1));  // 3 2 is the completion's own
  EXPECT_THAT(restricted(rules, {1, 2}, {}), ElementsAre(1, 1, 1, 1));
}

TEST(TokenRules, TheFirstAndTheLastTokenAreForced) {
  TokenRules rules;
  rules.forced_bos_token_id = 2;
  EXPECT_THAT(restricted(rules, {1}, {}), ElementsAre(kNever, kNever, 0, kNever));
  EXPECT_THAT(restricted(rules, {1, 1}, {}), ElementsAre(1, 1, 1, 1));  // as transformers: of one token only
  rules.begin_suppress_tokens = {3};
  EXPECT_THAT(restricted(rules, {1}, {2}), ElementsAre(1, 1, 1, kNever));  // behind what is forced
  TokenRules last;
  last.forced_eos_token_id = {0, 3};
  EXPECT_THAT(restricted(last, {1}, {1, 1}), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(restricted(last, {1}, {1, 1, 1}), ElementsAre(0, kNever, kNever, 0));
}

TEST(TokenRules, SequencesAreFavoured) {
  TokenRules rules;
  rules.sequence_bias = core::Json::parse("[[[1], 5], [[1], 0.5], [[2, 1], 2], [[3, 1], 8]]");
  std::vector<float> logits = {1, 1, 1, 1};
  TokenRuler(rules).favour({Ids{3}, Ids{2}}, logits);
  EXPECT_THAT(logits, ElementsAre(1, 3.5, 1, 1));  // the later [1], and [2, 1]
}

std::string refusal(const TokenRules& rules) {
  try {
    rules.check(4);
  } catch (const core::Error& error) {
    return error.what();
  }
  return "";
}

TEST(TokenRules, OtherShapesAreRefused) {
  TokenRules rules;
  EXPECT_EQ(refusal(rules), "");
  rules.bad_words_ids = core::Json::parse("[[4]]");
  EXPECT_THAT(refusal(rules), HasSubstr("bad_words_ids holds [4]"));
  rules.bad_words_ids = nullptr;
  rules.sequence_bias = core::Json::parse("[[[1], \"much\"]]");
  EXPECT_THAT(refusal(rules), HasSubstr("sequence_bias holds"));
  rules.sequence_bias = nullptr;
  rules.exponential_decay_length_penalty = {3};
  EXPECT_THAT(refusal(rules), HasSubstr("expected [start, factor]"));
}

}  // namespace
}  // namespace attune::generation
