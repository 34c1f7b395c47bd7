// What of a row is learned from: feedback on its way from a file to a method, and the choices that pairings
// make.
#include "core/system.h"
#include "data/group_row.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using record::GroupShape;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Learning : public ::testing::Test {
 protected:
  Dataset open(const std::string& content, const RowUse& use) {
    options_.path = folder_.write("rows.jsonl", content);
    opened_.push_back(Dataset::open(options_, codec_, use, folder_.path("cache")));
    return opened_.back();
  }
  static RowUse use(GroupShape shape, const std::string& pairing) {
    return {shape, record::make_pairing(core::parse_yaml(pairing, "test"))};
  }
  std::string texts(const TokenizedRow& row) const {
    std::string all;
    for (const auto& candidate : row.candidates)
      all += (all.empty() ? "" : "|") + codec_.tokenizer->decode(candidate.completion);
    return all;
  }
  /// The trained part of a completion.
  std::string trained(const TokenizedCandidate& candidate) const {
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < candidate.completion.size(); ++i)
      if (candidate.mask[i] == 1) ids.push_back(candidate.completion[i]);
    return codec_.tokenizer->decode(ids);
  }
  support::TemporaryFolder folder_;
  TextCodec codec_ = support::codec(folder_);
  DataOptions options_;
  std::vector<Dataset> opened_;  ///< rows point into them
};

/// A value of each type that no field has by default; another one for every field.
struct Filler {
  int n = 0;
  void operator()(const char*, std::optional<double>& value) { value = ++n + 0.5; }
  void operator()(const char*, std::optional<bool>& value) { value = false; }
  void operator()(const char*, double& value) { value = ++n + 0.5; }
  void operator()(const char*, std::string& value) { value = "text " + std::to_string(++n); }
  void operator()(const char*, std::vector<double>& value) { value = {0.25, ++n + 0.5}; }
  void operator()(const char*, record::Scores& value) { value = {{"a", ++n + 0.5}, {"b", -1}}; }
};

TEST_F(Learning, EveryFieldOfFeedbackReachesATrainingRow) {
  record::Example example;
  example.prompt = "p";
  example.meta = {{"topic", "t"}};
  record::Candidate candidate;
  candidate.steps = {"a", "b"};  // for step scores
  candidate.completion = "ab";
  record::visit_feedback(candidate, Filler());
  candidate.preference = 0.25;  // a probability
  example.candidates = {candidate};
  const TokenizedRow row = open(core::to_line(record::to_json(example)), RowUse::anything()).row(0);
  ASSERT_THAT(row.candidates, SizeIs(1));
  const auto json_of = [](const record::Candidate& said) {
    record::Example alone;
    alone.candidates = {record::feedback_of(said)};
    return record::to_json(alone)["candidates"][0];
  };
  const core::Json wrote = json_of(candidate), read = json_of(row.candidates[0].said);
  record::visit_feedback(candidate, [&](const char* name, const auto&) {
    ASSERT_TRUE(wrote.contains(name)) << name << " is not written";
    ASSERT_TRUE(read.contains(name)) << name << " is lost";
    EXPECT_EQ(read[name], wrote[name]) << name;
  });
  ASSERT_TRUE(row.candidates[0].said.meta);
  EXPECT_EQ(*row.candidates[0].said.meta, example.meta);
  const record::Grouping group = group_row(row, RowUse::anything(), {});
  EXPECT_EQ(json_of(group.said.at(0)), wrote);
}

TEST_F(Learning, SoftLabelsOfAPairReachItsMembers) {
  const auto data =
      open(R"({"prompt":"p","response_a":"x","response_b":"y","preference":0.3,"annotator":"eva"})",
           GroupShape::kPairs);
  const record::Grouping group = group_row(data.row(0), data.use(), {});
  ASSERT_THAT(group.pairs, SizeIs(1));
  EXPECT_DOUBLE_EQ(*group.said[group.pairs[0].chosen].preference, 0.7);  // y
  EXPECT_EQ(group.said[group.pairs[0].chosen].index, 1U);
  EXPECT_DOUBLE_EQ(*group.said[group.pairs[0].rejected].preference, 0.3);
  EXPECT_EQ(group.said[0].annotator, "eva");
}

TEST_F(Learning, OfRatedListsTheBestIsImitated) {
  const char* const list = R"({"prompt":"p","responses":["bad","good","fair"],"scores":[1,9,5]})";
  const auto data = open(list, GroupShape::kDemonstrations);
  EXPECT_EQ(texts(data.row(0)), "good</s>");
  EXPECT_EQ(data.row(0).candidates[0].said.index, 1U);
  // p good </s>
  EXPECT_EQ(data.summary().tokens, 6);
  EXPECT_EQ(data.summary().pairing, "as_given");
  EXPECT_EQ(data.summary().feedback.derived.at("demonstrations from rewards (the best)"), 1);
  const auto two = open(list, use(GroupShape::kDemonstrations, "{name: top_k, k: 2}"));
  EXPECT_EQ(texts(two.row(0)), "good</s>|fair</s>");
  const auto none = open(list, use(GroupShape::kDemonstrations, "{name: threshold, threshold: 10}"));
  EXPECT_EQ(none.summary().dropped.at("no completion is accepted"), 1);
}

TEST_F(Learning, WhatIsNotUsedNeedNotBeUsable) {
  EXPECT_EQ(texts(open(R"({"prompt":"p","chosen":"ab","rejected":""})", GroupShape::kDemonstrations).row(0)),
            "ab</s>");
}

std::string steps(const std::string& labels) {
  return R"({"prompt":"p","completions":["one","two","end"],"labels":)" + labels + "}";
}

TEST_F(Learning, ReasoningIsImitatedUpToItsFirstWrongStep) {
  const auto part = [&](const std::string& labels) {
    return trained(open(steps(labels), GroupShape::kDemonstrations).row(0).candidates.at(0));
  };
  EXPECT_EQ(part("[true,true,true]"), "one\ntwo\nend\n</s>");
  EXPECT_EQ(part("[true,false,true]"), "one\n");
  EXPECT_EQ(part("[true,true,false]"), "one\ntwo\n");
  EXPECT_EQ(part("[0.9,0.5,0.4]"), "one\ntwo\n");
  EXPECT_EQ(part("[1,0,-1]"), "one\n");
  const auto wrong = open(steps("[false,true,true]"), GroupShape::kDemonstrations);
  EXPECT_EQ(wrong.size(), 0);
  EXPECT_EQ(wrong.summary().dropped.at("the first step is wrong"), 1);
  // Other methods see all of it.
  const auto seen = open(steps("[true,false,true]"), RowUse::anything()).row(0).candidates.at(0);
  EXPECT_EQ(trained(seen), "one\ntwo\nend\n</s>");
}

TEST_F(Learning, WrongStepsOfCutReasonings) {
  const auto open_cut = [&](const std::string& labels, std::int64_t length, const char* kept) {
    options_.max_length = length;
    options_.truncation = kept;
    return open(steps(labels), GroupShape::kDemonstrations);
  };
  const auto part = [&](const std::string& labels, std::int64_t length, const char* kept) {
    return trained(open_cut(labels, length, kept).row(0).candidates.at(0));
  };
  // p o n e ⏎ t w o ⏎ e n d ⏎ </s>: 14 tokens.
  EXPECT_EQ(part("[true,false,true]", 7, "keep_start"), "one\n");    // "tw" is of the wrong step
  EXPECT_EQ(part("[true,true,false]", 7, "keep_start"), "one\ntw");  // the wrong step is cut off
  EXPECT_EQ(part("[true,true,false]", 3, "keep_start"), "on");
  EXPECT_EQ(part("[true,true,false]", 9, "keep_end"), "two\n");    // two ⏎ end ⏎ </s> are kept
  const auto none = open_cut("[true,false,true]", 5, "keep_end");  // of the right step nothing is
  EXPECT_EQ(none.size(), 0);
  EXPECT_EQ(none.summary().dropped.at("no right step is left after truncation"), 1);
}

TEST_F(Learning, GroupsWithRewardsRefuseAnOrderAlone) {
  const auto pairs = open(R"({"prompt":"p","chosen":"x","rejected":"y"})", GroupShape::kGroups);
  EXPECT_EQ(pairs.size(), 0);
  ASSERT_THAT(pairs.summary().dropped, SizeIs(1));
  EXPECT_THAT(pairs.summary().dropped.begin()->first, HasSubstr("ranks and no rewards"));
  const auto labels = open(
      R"({"prompt":"p","candidates":[{"completion":"x","label":true},{"completion":"y","label":false}]})",
      GroupShape::kGroups);
  EXPECT_EQ(labels.row(0).candidates[0].said.reward, 1);
  EXPECT_EQ(labels.row(0).candidates[1].said.reward, 0);
  EXPECT_EQ(feedback_text(labels.summary()), "rewards from labels (good is 1, bad is 0): 1 row");
  const auto scored =
      open(R"({"prompt":"p","chosen":"x","rejected":"y","score_chosen":3,"score_rejected":1})",
           GroupShape::kGroups);
  EXPECT_EQ(scored.row(0).candidates[0].said.reward, 3);
  EXPECT_EQ(feedback_text(scored.summary()), "");
}

TEST_F(Learning, TheSummaryCountsWhatPairingsLeaveOutAndSurvivesTheCache) {
  const std::string rows = R"({"prompt":"p","responses":["a","b","c"],"scores":[2,2,1]})"
                           "\n"
                           R"({"prompt":"p","responses":["a","a","b"],"ranks":[0,1,2]})"
                           "\n"
                           R"({"prompt":"p","responses":["a"],"scores":[1]})"
                           "\n"
                           R"({"prompt":"p","responses":["a","b"],"scores":[1,1]})";
  for (int time = 0; time < 2; ++time) {  // the second one reads the cache
    const auto data = open(rows, use(GroupShape::kPairs, "all"));
    EXPECT_EQ(data.size(), 2);
    EXPECT_EQ(data.summary().pairs, 4);  // (a, c), (b, c); (a, b), (a, b)
    const std::map<std::string, std::int64_t> left_out = {{"ties", 2}, {"duplicates", 1}, {"singles", 1}};
    EXPECT_EQ(data.summary().feedback.left_out, left_out);
    EXPECT_EQ(data.summary().feedback.derived.at("ranks from rewards"), 1);
    EXPECT_EQ(data.summary().dropped.at("no pair of completions"), 1);
    EXPECT_EQ(data.summary().dropped.at("all candidates tie"), 1);
  }
}

TEST_F(Learning, CompletionsThatBecomeEqualWhenTheyAreCutMakeNoPair) {
  options_.max_length = 3;  // p and two more
  const auto data = open(R"({"prompt":"p","responses":["xya","xyb","z"],"scores":[3,2,1]})",
                         use(GroupShape::kPairs, "all"));
  EXPECT_EQ(data.summary().pairs, 2);
  EXPECT_EQ(data.summary().feedback.left_out.at("duplicates"), 1);
  EXPECT_THAT(group_row(data.row(0), data.use(), {}).pairs, SizeIs(2));
  EXPECT_EQ(open(R"({"prompt":"p","chosen":"xya","rejected":"xyb"})", GroupShape::kPairs)
                .summary()
                .dropped.at("chosen equal to rejected after truncation"),
            1);
}

TEST_F(Learning, EveryPairingOfARowMakesItsPairs) {
  // Scores 1, 4, 2, 4, 3: from best to worst 1, 3 (a tie), 4, 2, 0.
  const char* const row = R"({"prompt":"p","responses":["a","b","c","d","e"],"scores":[1,4,2,4,3]})";
  using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  const std::pair<const char*, Pairs> expected[] = {
      {"best_worst", {{1, 0}}},
      {"adjacent", {{3, 4}, {4, 2}, {2, 0}}},
      {"{name: margin, margin: 2}", {{1, 2}, {1, 0}, {3, 2}, {3, 0}, {4, 0}}},
      {"{name: margin, margin: 3}", {{1, 0}, {3, 0}}},
      {"{name: top_k, k: 1}", {{1, 4}, {1, 2}, {1, 0}}},
      {"all", {{1, 4}, {1, 2}, {1, 0}, {3, 4}, {3, 2}, {3, 0}, {4, 2}, {4, 0}, {2, 0}}}};
  for (const auto& [pairing, wanted] : expected) {
    const auto data = open(row, use(GroupShape::kPairs, pairing));
    ASSERT_EQ(data.size(), 1) << pairing;
    EXPECT_EQ(data.summary().pairs, std::ssize(wanted)) << pairing;
    const auto found = group_row(data.row(0), data.use(), {});
    Pairs pairs;
    for (const auto& pair : found.pairs) {
      pairs.emplace_back(found.said[pair.chosen].index, found.said[pair.rejected].index);
      EXPECT_EQ(pair.weight, 1.0 / static_cast<double>(wanted.size())) << pairing;
    }
    EXPECT_EQ(pairs, wanted) << pairing;
  }
}

TEST_F(Learning, PairsThatAreDrawnChangeFromStepToStep) {
  const auto data = open(R"({"prompt":"p","responses":["a","b","c","d"],"scores":[1,4,2,3]})",
                         use(GroupShape::kPairs, "{name: random, n: 2}"));
  ASSERT_THAT(data.row(0).candidates, SizeIs(4));  // another step may draw any of them
  EXPECT_EQ(data.summary().pairs, 2);
  bool changes = false;
  for (std::uint64_t step = 0; step < 20; ++step)
    changes = changes || group_row(data.row(0), data.use(), {5, 0, step}).members !=
                             group_row(data.row(0), data.use(), {5, 0, step + 1}).members;
  EXPECT_TRUE(changes);
}

TEST_F(Learning, CompletionsThatAreCutToTheSameStandOnceInAList) {
  options_.max_length = 4;  // the prompt, and three of each completion
  const auto list = open(R"({"prompt":"p","responses":["abcd","abce","xyz"],"ranks":[0,1,2]})",
                         use(GroupShape::kLists, "as_given"));
  EXPECT_EQ(texts(list.row(0)), "abc|xyz");
  EXPECT_EQ(list.summary().feedback.left_out.at("duplicates"), 1);
  const auto equal = open(R"({"prompt":"p","responses":["b","a","b"],"ranks":[0,1,2]})",
                          use(GroupShape::kLists, "as_given"));
  EXPECT_THAT(equal.row(0).candidates, SizeIs(2));
  EXPECT_EQ(equal.summary().feedback.left_out.at("duplicates"), 1);  // once, however often it is looked for
}

TEST_F(Learning, GroupsOfEqualRewardsAreCounted) {
  const auto data = open(
      "{\"prompt\":\"p\",\"responses\":[\"a\",\"b\"],\"scores\":[2,2]}\n"
      "{\"prompt\":\"q\",\"responses\":[\"a\",\"b\"],\"scores\":[2,1]}\n",
      use(GroupShape::kGroups, "as_given"));
  EXPECT_EQ(data.size(), 2);
  EXPECT_EQ(data.summary().feedback.left_out, (std::map<std::string, std::int64_t>{{"ties", 1}}));
}

TEST_F(Learning, AnotherPairingIsAnotherCache) {
  const char* const list = R"({"prompt":"p","responses":["a","b","c"],"scores":[1,2,3]})";
  const auto of = [&](const std::string& pairing) {
    return open(list, use(GroupShape::kDemonstrations, pairing)).summary().fingerprint;
  };
  EXPECT_EQ(of("top_k"), of("{name: top_k, k: 1}"));
  EXPECT_NE(of("top_k"), of("{name: top_k, k: 2}"));
  EXPECT_NE(of("threshold"), of("prompt_mean"));
}

TEST_F(Learning, ATeacherReadsASystemTextBeforeThePrompt) {
  const char* const plain = R"({"prompt":"say","completion":"hi"})";
  EXPECT_THAT(open(plain, GroupShape::kDemonstrations).row(0).teacher_prompt, IsEmpty());
  options_.teacher_system = "be kind";
  const auto decoded = [&](const std::string& content) {
    const auto row = open(content, GroupShape::kDemonstrations).row(0);
    return codec_.tokenizer->decode(row.teacher_prompt);
  };
  EXPECT_EQ(decoded(plain), "be kind\n\nsay");
  EXPECT_EQ(
      decoded(
          R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]})"),
      "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(
      decoded(
          R"({"prompt":[{"role":"system","content":"s"},{"role":"user","content":"q"}],"completion":"a"})"),
      "<|im_start|>system\nbe kind\n\ns<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n");
  // "x t" + "he" has the token "the" (and " t" alone): it counts as completion, for the teacher as well.
  const auto row = open(R"({"prompt":"x t","completion":"he"})", GroupShape::kDemonstrations).row(0);
  const std::size_t system = std::string("be kind\n\n").size();
  EXPECT_THAT(std::vector<std::int32_t>(row.teacher_prompt.begin() + static_cast<std::ptrdiff_t>(system),
                                        row.teacher_prompt.end()),
              ::testing::ElementsAreArray(row.prompt.begin(), row.prompt.end()));
  EXPECT_EQ(decoded(R"({"text":"whole"})"), "");
  EXPECT_EQ(open(R"({"prompt_ids":[5],"completion_ids":[6]})", GroupShape::kDemonstrations).size(), 0);
}

}  // namespace
}  // namespace attune::data
