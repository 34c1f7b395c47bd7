// Rules on hand-made completions; the expected numbers are worked out beside them.
#include "feedback/rule.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/config/value.h"
#include "feedback/answer.h"
#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

using core::Json;

std::vector<GivenRule> rules(const std::string& yaml) {
  return make_rules(core::parse_yaml(yaml, "test.yaml"));
}
std::unique_ptr<Rule> rule(const std::string& yaml) { return std::move(rules(yaml).at(0).rule); }

RuleScore judged(const std::string& yaml, const std::string& completion, const std::string& reference = "") {
  RuleInput input;
  input.id = "id";
  input.prompt = "prompt";
  input.completion = completion;
  input.reference_answer = reference;
  return rule(yaml)->score(std::span(&input, 1)).at(0);
}

double reward(const std::string& yaml, const std::string& completion, const std::string& reference = "") {
  return judged(yaml, completion, reference).reward;
}

void expect_refused(const std::string& yaml, const std::string& part) {
  try {
    rule(yaml);
    FAIL() << yaml << " was accepted";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

TEST(TextRule, WordsAndSentences) {
  EXPECT_THAT(words_of("Don't stop, “Tim’s” 3 CATS' été_x"),
              testing::ElementsAre("don't", "stop", "tim's", "3", "cats", "été", "x"));
  EXPECT_THAT(sentences_of("Hi there! \"Is it you?\" he said. Yes\nNo dot"),
              testing::ElementsAre("Hi there!", "\"Is it you?\"", "he said.", "Yes", "No dot"));
  EXPECT_EQ(text_of(Json::array({{{"role", "assistant"}, {"content", "a"}}, {{"content", "b"}}})), "a\nb");
  EXPECT_EQ(text_of(Json("bad \xff byte")), "bad \uFFFD byte");
}

TEST(MakeRules, ADoubleUsesAllOfTheirSeam) {
  const auto one = [](const std::string& id, const std::string& prompt, const std::string& finish) {
    RuleInput input;
    input.id = id;
    input.prompt = prompt;
    input.completion = "42";
    input.reference_answer = "42";
    input.meta = {{"id", "a"}};
    input.finish_reason = finish;
    return input;
  };
  const std::vector<RuleInput> inputs = {one("a", "p", "stop"), one("b", "p", "length"), one("a", "q", "")};
  const auto scores = rule("zz_rule")->score(inputs);
  ASSERT_EQ(scores.size(), 3U);
  EXPECT_EQ(scores[0].reward, 4);
  EXPECT_EQ(scores[1].reward, 1);  // another id, cut, its predecessor's prompt
  EXPECT_EQ(scores[2].reward, 3);
  EXPECT_EQ(scores[2].metrics, (std::map<std::string, double>{{"shown", 2}}));
  EXPECT_EQ(rule("{name: zz_rule, high: 2}")->score(inputs)[0].reward, 2);
  expect_refused("{name: zz_rule, low: 3, high: 2}", "low=3 is more than high=2");
}

TEST(MakeRules, NamesListsAndWeights) {
  EXPECT_EQ(reward("ends_properly", "Done."), 1);
  const auto named = [](const std::string& yaml) {
    std::vector<std::pair<std::string, double>> names;
    for (const GivenRule& given : rules(yaml)) names.emplace_back(given.name, given.weight);
    return names;
  };
  using testing::ElementsAre, testing::Pair;
  EXPECT_THAT(named("{name: ends_properly, weight: -3}"), ElementsAre(Pair("ends_properly", -3)));
  EXPECT_THAT(
      named(
          "[{name: accuracy, weight: 2}, distinct, {name: contains, texts: a}, {name: contains, texts: z}]"),
      ElementsAre(Pair("math_answer", 2), Pair("distinct", 1), Pair("contains", 1), Pair("contains_2", 1)));
}

TEST(MakeRules, RefusesWithPlaceAndNearestName) {
  expect_refused("ends_proprely", "ends_properly");
  expect_refused("{name: length, minn: 3}", "min");
  expect_refused("{name: length}", "min, max or target");
  expect_refused("{weight: 2}", "rule");
  expect_refused("[]", "empty list");
  expect_refused("{name: ends_properly, weight: .nan}", "weight");
}

TEST(Rules, EveryEntryIsNamedAfterItsFileAndSurvivesOddText) {
  const std::vector<std::pair<std::string, std::string>> needed = {
      {"length", "{name: length, min: 1}"},
      {"contains", "{name: contains, texts: [a]}"},
      {"regex", "{name: regex, pattern: a}"},
      {"words", "{name: words, preset: kindness}"},
  };
  for (const auto& [name, make] : rule_entries()) {
    EXPECT_EQ(make()->info().name, name);
    EXPECT_FALSE(make()->info().summary.empty());
    if (name == "command") continue;
    std::string yaml(name);
    for (const auto& [rule_name, full] : needed) {
      if (rule_name == name) yaml = full;
    }
    for (const char* text :
         {"", " ", "\n\n", "\xff\xfe", "{{{{", "\\boxed{", "-", "<think>", "”", "``` \n", "#### "}) {
      EXPECT_TRUE(std::isfinite(reward(yaml, text, text))) << name << " on '" << text << "'";
    }
  }
}

TEST(Length, RangeAndTarget) {
  EXPECT_DOUBLE_EQ(reward("{name: length, min: 2, max: 4}", "one two three"), 1);
  EXPECT_DOUBLE_EQ(reward("{name: length, min: 4}", "one two three"), 0.75);
  EXPECT_DOUBLE_EQ(reward("{name: length, max: 2}", "one two three"), 0.5);      // 1 - (3 - 2) / 2
  EXPECT_DOUBLE_EQ(reward("{name: length, target: 4}", "one two three"), 0.75);  // 1 - |3 - 4| / 4
  EXPECT_DOUBLE_EQ(reward("{name: length, target: 1}", "one two three"), 0);
  EXPECT_DOUBLE_EQ(judged("{name: length, min: 1, unit: characters}", "éa").metrics.at("characters"), 2);
}

TEST(Contains, Modes) {
  EXPECT_DOUBLE_EQ(reward("{name: contains, texts: [cat, dog]}", "A Cat."), 0.5);
  EXPECT_DOUBLE_EQ(reward("{name: contains, texts: [cat, dog], mode: all}", "A cat."), 0);
  EXPECT_DOUBLE_EQ(reward("{name: contains, texts: [cat, dog], mode: any}", "A cat."), 1);
  EXPECT_DOUBLE_EQ(reward("{name: contains, texts: [cat], mode: none}", "A cow."), 1);
  EXPECT_DOUBLE_EQ(reward("{name: contains, texts: [Cat], ignore_case: false}", "A cat."), 0);
}

TEST(RegexRule, FindsAndIsBounded) {
  EXPECT_DOUBLE_EQ(reward("{name: regex, pattern: 'Answer: \\d+'}", "x Answer: 42!"), 1);
  EXPECT_DOUBLE_EQ(reward("{name: regex, pattern: '\\d+', whole: true}", "42!"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: regex, pattern: CAT, ignore_case: true, absent: true}", "cat"), 0);
  expect_refused("{name: regex, pattern: '(a'}", "malformed");
  const RuleScore stuck = judged("{name: regex, pattern: '(a+)+$'}", std::string(60, 'a') + "b");
  EXPECT_DOUBLE_EQ(stuck.reward, 0);
  EXPECT_DOUBLE_EQ(stuck.metrics.at("gave_up"), 1);
}

TEST(ExactMatch, StrictLooseAndAfter) {
  EXPECT_DOUBLE_EQ(reward("exact_match", " Paris\n", "Paris"), 1);
  EXPECT_DOUBLE_EQ(reward("exact_match", "paris.", "Paris"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: exact_match, loose: true}", "paris.", "Paris"), 1);
  EXPECT_DOUBLE_EQ(reward("{name: exact_match, after: 'Answer:'}", "I think. Answer: 7", "7"), 1);
  EXPECT_DOUBLE_EQ(reward("exact_match", "", ""), 0);
}

TEST(MathAnswer, FindsAndCompares) {
  EXPECT_EQ(final_answer("so \\boxed{\\frac{1}{2}}."), "\\frac{1}{2}");
  EXPECT_EQ(final_answer("first #### 5\nthen #### 1,234\nbye 9"), "1,234");
  EXPECT_EQ(final_answer("it costs $1,250.50 today."), "1,250.50");
  EXPECT_EQ(final_answer("it is -3."), "-3");
  EXPECT_EQ(final_answer("pages 3-4"), "4");
  EXPECT_EQ(final_answer("none"), std::nullopt);
  EXPECT_TRUE(same_answer("0.5", "\\frac{1}{2}"));
  EXPECT_TRUE(same_answer("-\\dfrac{3}{4}", "-0.75"));
  EXPECT_TRUE(same_answer("$1,234$", "1234.0"));
  EXPECT_TRUE(same_answer("50\\%", "1/2"));
  EXPECT_TRUE(same_answer("\\text{(B)}", "(b)"));
  EXPECT_FALSE(same_answer("1,2", "12"));
  EXPECT_FALSE(same_answer("", ""));
  EXPECT_FALSE(same_answer("1/0", "1"));
  EXPECT_DOUBLE_EQ(reward("math_answer", "6 * 3 = 18 eggs", "She sells 9.\n#### 18"), 1);
  EXPECT_DOUBLE_EQ(reward("{name: math_answer, after: '</think>'}", "18 </think> 19", "18"), 0);
  EXPECT_DOUBLE_EQ(reward("accuracy_reward", "\\boxed{2}", "2"), 1);  // TRL's name
}

TEST(Repetition, PenaltyAsTrl) {
  // TRL's docstring: [1 2 3 4] → 0; [5 5 5 5 5] with bigrams: 1 - 1/4 = 0.75 → -0.75.
  EXPECT_DOUBLE_EQ(reward("{name: repetition, ngram_size: 2}", "one two three four"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: repetition, ngram_size: 2}", "no no no no no"), -0.75);
  EXPECT_DOUBLE_EQ(reward("{name: repetition, n: 3, max_penalty: -2}", "a b"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: distinct, n: 2}", "a b a b"), 2.0 / 3);  // ab ba ab
}

TEST(NewNames, OnlyCapitalsInsideSentencesThatThePromptDoesNotHave) {
  const auto count = [](const std::string& text) {
    return judged("new_names", text).metrics.at("new_names");
  };
  EXPECT_EQ(count("The dog saw Tim. Tim and Lily ran to Tim."), 2);
  EXPECT_EQ(count("He said, \"Hello, I'm Ben!\" I know that I am Prompt, Ben's friend."),
            1);                                     // Ben: the prompt has the other
  EXPECT_EQ(count("Zoë met Élodie\nAnd Älf."), 2);  // Élodie, Älf
  EXPECT_EQ(count(""), 0);
  EXPECT_DOUBLE_EQ(reward("new_names", "a Tim, a Ben"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: new_names, max_penalty: -4}", "a Tim, a Ben, a Lily"), -2);
  EXPECT_DOUBLE_EQ(reward("{name: new_names, allowed: 1}", "a Tim, a Ben, a Lily, a Sue"), -1);
}

TEST(EndsProperly, Marks) {
  for (const char* good : {"Yes.", "He said \"no!\"", "So… ", "Why?)", "“Fine.”\n"}) {
    EXPECT_DOUBLE_EQ(reward("ends_properly", good), 1) << good;
  }
  for (const char* bad : {"", "and then", "He,", "\"", "one. two"}) {
    EXPECT_DOUBLE_EQ(reward("ends_properly", bad), 0) << bad;
  }
}

TEST(Words, Modes) {
  EXPECT_DOUBLE_EQ(
      reward("{name: words, positive: [good], negative: [bad], mode: fraction}", "Good GOOD bad x"), 0.25);
  EXPECT_DOUBLE_EQ(reward("{name: words, positive: [good], mode: any}", "goodness"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: words, positive: ['good*'], mode: any}", "goodness"), 1);
  // wanted a and b: 2 of enough 2; unwanted c: 1 of 2 → 1 - 0.5
  EXPECT_DOUBLE_EQ(reward("{name: words, positive: [a, b], negative: [c], enough: 2}", "a a a b c c"), 0.5);
  EXPECT_DOUBLE_EQ(reward("{name: words, positive: [a, b], negative: [d, c], enough: 2}", "a b"), 1);
  EXPECT_GT(reward("{name: words, preset: kindness}", "They shared and hugged. Thank you, friend!"),
            reward("{name: words, preset: kindness}", "He was angry and hit the mean dog."));
}

TEST(SentenceShape, FourParts) {
  EXPECT_DOUBLE_EQ(reward("sentence_shape", "The cat sat down. It was very happy."), 1);
  // starts: "it" is small → 0; the other three parts are whole
  EXPECT_DOUBLE_EQ(reward("sentence_shape", "The cat sat down. it was very happy."), 0.75);
  EXPECT_DOUBLE_EQ(judged("sentence_shape", "He said \"yes to me.").metrics.at("balanced"), 0);
  EXPECT_DOUBLE_EQ(reward("sentence_shape", ""), 0);
}

TEST(JsonValid, FencesAndKeys) {
  EXPECT_DOUBLE_EQ(reward("json_valid", "{\"a\": 1}"), 1);
  EXPECT_DOUBLE_EQ(reward("json_valid", "{\"a\": 1"), 0);
  EXPECT_DOUBLE_EQ(reward("json_valid", "Here:\n```json\n[1, 2]\n```\n"), 1);
  EXPECT_DOUBLE_EQ(reward("{name: json_valid, keys: [a, b]}", "{\"a\": 1}"), 0.5);
  EXPECT_DOUBLE_EQ(reward("json_valid", std::string(100000, '[')), 0);
}

TEST(ThinkFormat, AsTrl) {
  // Expected values: re.match(r"^<think>(?!.*<think>)(.*?)</think>.*$", text, DOTALL | MULTILINE).
  EXPECT_DOUBLE_EQ(reward("think_format", "<think>\nreason\n</think>\nanswer"), 1);
  EXPECT_DOUBLE_EQ(reward("think_format", "<think>\nreason\nanswer"), 0);
  EXPECT_DOUBLE_EQ(reward("think_format", "<think>a<think>b</think>"), 0);
  EXPECT_DOUBLE_EQ(reward("think_format", " <think>a</think>"), 0);
  EXPECT_DOUBLE_EQ(reward("{name: think_format, answer_tags: true}", "<think>a</think> <answer>b</answer>"),
                   1);
  EXPECT_DOUBLE_EQ(reward("{name: think_format, answer_tags: true}", "<think>a</think> b"), 0);
}

}  // namespace
}  // namespace attune::feedback
