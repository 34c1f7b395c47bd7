// Raters on hand-made records; the expected numbers are worked out beside them.
#include "feedback/rater.h"

#include <gmock/gmock.h>

#include <limits>
#include <tuple>

#include "core/config/value.h"
#include "core/error.h"
#include "feedback/rater_list.h"
#include "feedback/rule_rater.h"

namespace attune::feedback {
namespace {

using testing::ElementsAre, testing::IsEmpty, testing::Optional, testing::Pair, testing::UnorderedElementsAre;

using Ids = std::vector<std::int32_t>;

/// Uses all of the seam: the reward is the number of ids; each id is the score of a step; a candidate without
/// ids cannot be rated, and the id -1 makes a reward that is no number.
class CountingRater : public Rater {
 public:
  explicit CountingRater(std::string name = "count") : Rater(std::move(name)) {}
  std::vector<std::size_t> calls;  ///< examples of each call

 protected:
  std::vector<Remark> fill(std::span<record::Example> examples) override {
    calls.push_back(examples.size());
    std::vector<Remark> remarks;
    for (record::Candidate* candidate : candidates_of(examples)) {
      remarks.emplace_back();
      if (!candidate->completion_ids) {
        remarks.back().unusable = "no ids";
        continue;
      }
      const auto& ids = *candidate->completion_ids;
      const bool broken = !ids.empty() && ids[0] == -1;
      give(*candidate, broken ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(ids.size()));
      candidate->step_scores.assign(ids.begin(), ids.end());
      remarks.back().metrics["first"] = ids.empty() ? 0 : ids[0];
    }
    return remarks;
  }
};

record::Candidate candidate(core::Json completion, std::optional<Ids> ids = {}) {
  record::Candidate made;
  made.completion = std::move(completion);
  made.completion_ids = std::move(ids);
  return made;
}

record::Example example(std::vector<record::Candidate> candidates) {
  record::Example made;
  made.id = "e";
  made.prompt = "Say it.";
  made.candidates = std::move(candidates);
  return made;
}

std::vector<GivenRule> rules_of(const std::string& yaml) {
  return make_rules(core::parse_yaml(yaml, "test.yaml"));
}

const text::Tokenizer& tokenizer() {
  static const text::Tokenizer loaded = text::Tokenizer::load(ATTUNE_SOURCE "/assets/tinystories-656k");
  return loaded;
}

/// 2 · distinct(n=1) + 0.5 · count
std::unique_ptr<Rater> rule_and_count() {
  std::vector<WeightedRater> sources;
  sources.push_back({rule_rater(rules_of("{name: distinct, n: 1}"), nullptr), 2});
  sources.push_back({std::make_unique<CountingRater>(), 0.5});
  return rater_of(std::move(sources));
}

TEST(RaterList, AddsWithWeightsAndKeepsEachNumber) {
  std::vector<record::Example> examples = {
      example({candidate("a b a c", Ids{7, 8, 9}), candidate("a a", Ids{5})}), example({}),
      example({candidate("a b", Ids{4, 4})})};
  examples[0].candidates[0].reward = 99;  // of the file: replaced
  examples[0].candidates[0].scores["helpfulness"] = 4;
  const auto remarks = rule_and_count()->rate(examples);
  const auto& [first, second] = std::tie(examples[0].candidates[0], examples[0].candidates[1]);
  EXPECT_THAT(first.reward, Optional(2 * 0.75 + 0.5 * 3));  // 3 of 4 words differ; 3 ids
  EXPECT_THAT(second.reward, Optional(2 * 0.5 + 0.5 * 1));
  EXPECT_THAT(examples[2].candidates[0].reward, Optional(2 * 1.0 + 0.5 * 2));
  EXPECT_THAT(first.scores,
              UnorderedElementsAre(Pair("distinct", 0.75), Pair("count", 3), Pair("helpfulness", 4)));
  EXPECT_THAT(second.scores, UnorderedElementsAre(Pair("distinct", 0.5), Pair("count", 1)));
  EXPECT_THAT(first.step_scores, ElementsAre(7, 8, 9));
  ASSERT_EQ(remarks.size(), 3U);
  EXPECT_THAT(remarks[1].metrics,
              UnorderedElementsAre(Pair("distinct", 0.5), Pair("count", 1), Pair("count/first", 5)));
  EXPECT_THAT(remarks[2].metrics,
              UnorderedElementsAre(Pair("distinct", 1), Pair("count", 2), Pair("count/first", 4)));
}

TEST(RaterList, OneThatCannotRateTakesTheRewardAway) {
  const auto rater = rule_and_count();
  std::vector<record::Example> examples = {example({candidate("a b"), candidate("a b", Ids{1})})};
  examples[0].candidates[0].reward = 99;
  const auto remarks = rater->rate(examples);
  EXPECT_EQ(remarks[0].unusable, "count: no ids");
  EXPECT_EQ(examples[0].candidates[0].reward, std::nullopt);
  EXPECT_THAT(examples[0].candidates[0].scores, ElementsAre(Pair("distinct", 1)));
  EXPECT_EQ(remarks[1].unusable, "");
  EXPECT_THAT(examples[0].candidates[1].reward, Optional(2.5));
  rater->rate(examples);
  EXPECT_THAT(rater->unusable(), ElementsAre(Pair("count: no ids", 2)));
}

TEST(RaterList, RefusesTwoOfOneName) {
  std::vector<WeightedRater> sources;
  sources.push_back({std::make_unique<CountingRater>(), 1});
  sources.push_back({std::make_unique<CountingRater>(), 1});
  EXPECT_THROW(RaterList{std::move(sources)}, core::Error);
}

TEST(Rater, CountsWhatItCannotRateByReason) {
  CountingRater rater;
  std::vector<record::Example> examples = {
      example({candidate("a"), candidate("b", Ids{-1}), candidate("c", Ids{2, 3})}),
      example({candidate("d")})};
  examples[0].candidates[1].scores["count"] = 5;  // of an earlier rating
  const auto remarks = rater.rate(examples);
  EXPECT_THAT(rater.unusable(), ElementsAre(Pair("\"reward\" is no number", 1), Pair("no ids", 2)));
  EXPECT_EQ(remarks[1].unusable, "\"reward\" is no number");
  EXPECT_EQ(examples[0].candidates[1].reward, std::nullopt);
  EXPECT_THAT(examples[0].candidates[1].scores, IsEmpty());
  EXPECT_THAT(examples[0].candidates[2].reward, Optional(2.0));
  EXPECT_THAT(examples[0].candidates[2].scores, ElementsAre(Pair("count", 2)));
}

TEST(RuleRater, ReadsIdsWhereThereIsNoText) {
  std::vector<record::Example> examples = {
      example({candidate(nullptr, tokenizer().encode("It is done.", false)), candidate("no end", Ids{1})})};
  examples[0].prompt = nullptr;
  examples[0].prompt_ids = Ids{1};  // a special token, which is no text
  const auto ends = rule_rater(rules_of("ends_properly"), &tokenizer());
  ends->rate(examples);
  EXPECT_THAT(examples[0].candidates[0].reward, Optional(1.0));
  EXPECT_THAT(examples[0].candidates[1].reward, Optional(0.0));  // the text, which stands beside its ids
  EXPECT_THAT(examples[0].candidates[0].scores, ElementsAre(Pair("ends_properly", 1)));
  EXPECT_TRUE(examples[0].candidates[0].completion.is_null());

  const auto blind = rule_rater(rules_of("ends_properly"), nullptr);
  examples[0].prompt = "Say it.";
  blind->rate(examples);
  EXPECT_THAT(blind->unusable(),
              ElementsAre(Pair("holds only ids, and there is no tokenizer to read them", 1)));
  EXPECT_EQ(examples[0].candidates[0].reward, std::nullopt);
  EXPECT_THAT(examples[0].candidates[1].reward, Optional(0.0));
}

TEST(RuleRater, ListsOfRulesAreAdded) {
  std::vector<record::Example> examples = {example({candidate("a b a c d.")})};
  const auto remarks =
      rule_rater(
          rules_of(
              "[{name: ends_properly, weight: 2}, {name: length, min: 1, unit: characters, weight: -0.5}]"),
          nullptr)
          ->rate(examples);
  EXPECT_THAT(examples[0].candidates[0].reward, Optional(2 * 1 - 0.5 * 1));
  EXPECT_THAT(remarks[0].metrics, UnorderedElementsAre(Pair("ends_properly", 1), Pair("length", 1),
                                                       Pair("length/characters", 10)));
  const auto negative = rule_rater(rules_of("{name: ends_properly, weight: -3}"), nullptr);
  negative->rate(examples);
  EXPECT_THAT(examples[0].candidates[0].reward, Optional(-3.0));
  EXPECT_EQ(examples[0].candidates[0].scores.at("ends_properly"), 1);
}

TEST(RuleRater, HandsTheRuleWhatTheRecordSays) {
  std::vector<record::Example> examples = {example({candidate("so 41"), candidate("so 42")})};
  examples[0].reference_answer = "42";
  rule_rater(rules_of("math_answer"), nullptr)->rate(examples);
  EXPECT_THAT(examples[0].candidates[0].reward, Optional(0.0));
  EXPECT_THAT(examples[0].candidates[1].reward, Optional(1.0));
  examples[0].candidates[0].finish_reason = "stop";
  examples[0].candidates[1].finish_reason = "length";
  rule_rater(rules_of("finished"), nullptr)->rate(examples);
  EXPECT_THAT(examples[0].candidates[0].reward, Optional(1.0));
  EXPECT_THAT(examples[0].candidates[1].reward, Optional(0.0));
}

TEST(RateFunction, RatesWhatRolloutsHandOver) {
  CountingRater rater;
  const generation::Rate rate = rate_function(rater);
  const auto rated =
      rate({example({candidate("a", Ids{3, 4}), candidate("b")}), example({candidate("c", Ids{6})})});
  ASSERT_EQ(rated.size(), 2U);
  EXPECT_EQ(rated[0].candidates[1].completion, core::Json("b"));
  EXPECT_THAT(rated[0].candidates[0].reward, Optional(2.0));
  EXPECT_EQ(rated[0].candidates[1].reward, std::nullopt);
  EXPECT_THAT(rated[1].candidates[0].reward, Optional(1.0));
  EXPECT_THAT(rater.unusable(), ElementsAre(Pair("no ids", 1)));
  EXPECT_THAT(rater.calls, ElementsAre(2));  // all at once
}

}  // namespace
}  // namespace attune::feedback
