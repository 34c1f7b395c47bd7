// What the page says of a change, and what it needs for that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report/finding/findings.h"
#include "tests/report/rows.h"

namespace attune::report {
namespace {

using core::Json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const char* const kAccuracy = "rewards/accuracies";

/// A run of preferences with `prompts` held-out prompts: evaluations at steps 0 and 9, whose margins and
/// accuracies prompt by prompt are given.
ReportInput evaluated(const std::vector<double>& margins_before, const std::vector<double>& margins_after) {
  ReportInput input;
  int step = 0;
  for (const auto& margins : {margins_before, margins_after}) {
    std::vector<double> right;
    double sum = 0, wins = 0;
    for (const double margin : margins) {
      right.push_back(margin > 0 ? 1 : 0);
      wins += right.back();
      sum += margin;
    }
    const auto count = static_cast<double>(margins.size());
    input.metrics.add_row(
        {{"step", step}, {"eval_rewards/margins", sum / count}, {"eval_rewards/accuracies", wins / count}});
    const Json line = {
        {"step", step},
        {"data", "one"},
        {"prompts", margins.size()},
        {"metrics",
         {{"eval_rewards/margins", {{"sums", margins}}}, {"eval_rewards/accuracies", {{"sums", right}}}}}};
    input.held_out.push_back(read_held_out(line).value());
    step = 9;
  }
  return input;
}

HeadlineRow row_named(const ReportInput& input, const std::string& start) {
  for (const auto& row : headline_of(input))
    if (row.name.starts_with(start)) return row;
  ADD_FAILURE() << "no row " << start;
  return {};
}

std::string verdict(const ReportInput& input) { return verdict_in_words(input, headline_of(input)); }

TEST(Headline, FirstEvaluationAndThatOfTheResult) {
  ReportInput input;
  for (const int step : {1, 5, 9})
    input.metrics.add_row({{"step", step}, {"eval_rewards/margins", step / 10.0}});
  EXPECT_EQ(row_named(input, "Reward margin (held out)").before, 0.1);
  EXPECT_EQ(row_named(input, "Reward margin (held out)").after, 0.9);
  input.run = Json{{"result_step", 5}};
  EXPECT_EQ(row_named(input, "Reward margin (held out)").after, 0.5);
  EXPECT_THAT(row_named(input, "Reward margin").meaning, HasSubstr("chosen by these evaluations"));
}

TEST(Headline, IntervalOverPromptsBesideTheChange) {
  // Differences 1, 1, 4: mean 2, standard error 1, t(2) = 4.302653.
  const auto row = row_named(evaluated({0, 1, -1}, {1, 2, 3}), "Reward margin");
  EXPECT_EQ(row.count, 3);
  EXPECT_DOUBLE_EQ(row.change, 2);
  EXPECT_NEAR(row.low, 2 - 4.302653, 1e-5);
  EXPECT_EQ(judgement(row), "unclear");
}

TEST(Headline, RoseIsSaidWithAnIntervalAndItsNumberOnly) {
  const std::vector<double> before(20, 0.0), after(20, 1.0);
  EXPECT_THAT(
      verdict(evaluated({0, 0, 0, 0, 0}, {1, 1.1, 0.9, 1, 1.2})),
      AllOf(HasSubstr("Reward margin (held out) rose from 0 to 1.04 nats (95 % interval of the change"),
            HasSubstr(", over 5 prompts), more than chance explains.")));
  EXPECT_THAT(verdict(evaluated({0, 1, -1}, {1, 2, 3})),
              AllOf(HasSubstr("Reward margin (held out) was 0 and is 2 nats"),
                    HasSubstr("chance alone could"), Not(HasSubstr("rose"))));
}

TEST(Headline, OnePromptGivesNoInterval) {
  const auto input = evaluated({0}, {1});
  EXPECT_EQ(row_named(input, "Reward margin").count, 0);
  EXPECT_EQ(row_named(input, "Preference accuracy").count, 0);
  EXPECT_THAT(verdict(input), AllOf(Not(HasSubstr("rose")), HasSubstr("None of this is evidence")));
}

TEST(Headline, EvaluationsOfOtherDataAreNotCompared) {
  auto input = evaluated({0, 0, 0, 0}, {1, 1, 1, 1});
  input.held_out[1].data = "other";
  EXPECT_EQ(row_named(input, "Reward margin").count, 0);
  EXPECT_THAT(verdict(input), AllOf(Not(HasSubstr("rose")), HasSubstr("None of this is evidence")));
}

TEST(Headline, TiesCountHalfAndAreNamed) {
  const auto row = row_named(evaluated({0, 0, 0, 0}, {1, 1, -1, 0}), "Preference accuracy");
  EXPECT_EQ(row.before, 0.5);
  EXPECT_EQ(row.after, 0.625);
  EXPECT_THAT(row.meaning, HasSubstr("count half: 4 of 4 before, 1 of 4 after"));
}

TEST(Headline, FourPairsProveNoAccuracy) {
  const auto row = row_named(evaluated({-1, -1, -1, -1}, {1, 1, 1, 1}), "Preference accuracy");
  EXPECT_EQ(judgement(row), "unclear");
}

TEST(Headline, NumbersOfTheTrainingDataAreNoEvidence) {
  ReportInput input;
  for (int step = 1; step <= 40; ++step)
    input.metrics.add_row(
        {{"step", step}, {"loss", 1.0 / step}, {"rewards/margins", step}, {kAccuracy, step > 1 ? 1.0 : 0.0}});
  EXPECT_EQ(row_named(input, "Loss (training data)").count, 0);
  EXPECT_EQ(judgement(row_named(input, "Loss")), "");
  EXPECT_THAT(row_named(input, "Preference accuracy").meaning, HasSubstr("ties count as wrong"));
  EXPECT_THAT(verdict(input), AllOf(Not(HasSubstr("rose")), Not(HasSubstr("fell")),
                                    HasSubstr("nothing was held out (eval.data names a file that is)")));
  EXPECT_THAT(render_report(input), HasSubstr("none of it is evidence"));
}

TEST(Headline, RewardsOfAFileAreNoProgress) {
  ReportInput input;
  for (int step = 1; step <= 40; ++step)
    input.metrics.add_row({{"step", step}, {"reward", step}, {"loss", 1}});
  EXPECT_THAT(verdict(input), Not(HasSubstr("Reward")));
  EXPECT_THAT(render_report(input), HasSubstr("no progress"));
  input.recipe = "rollout:\n  per_prompt: 4\n";
  EXPECT_THAT(verdict(input), HasSubstr("Reward (training samples)"));
  EXPECT_THAT(render_report(input), Not(HasSubstr("no progress")));
}

TEST(Headline, WhatBecameWorseIsTold) {
  auto input = evaluated({0, 0, 0, 0, 0}, {1, 1.1, 0.9, 1, 1.2});
  input.extras.headline = headline_of(input);
  input.extras.headline.push_back({.name = "Loss",
                                   .before = 1,
                                   .after = 2,
                                   .low = 0.9,
                                   .high = 1.1,
                                   .better = Better::kLower,
                                   .count = 5});
  EXPECT_THAT(verdict(input), HasSubstr("Loss rose from 1 to 2"));
}

TEST(Headline, BetterAndWorseDifferInShapeAndWord) {
  ReportInput input;
  HeadlineRow row = fallen_loss("Loss");
  input.extras.headline = {row};
  const std::string better = render_report(input);
  EXPECT_THAT(better, AllOf(HasSubstr("✓ better"), HasSubstr("<circle class=\"whisker-dot\""),
                            HasSubstr("9 prompts")));
  input.extras.headline[0].better = Better::kHigher;
  EXPECT_THAT(render_report(input), AllOf(HasSubstr("✗ worse"), HasSubstr("<rect class=\"whisker-dot\"")));
  input.extras.headline[0].high = 0.1;
  EXPECT_THAT(render_report(input),
              AllOf(HasSubstr("may be chance"), HasSubstr("<circle class=\"whisker-ring\"")));
}

TEST(Charts, LossOverDecadesHasALogarithmicAxis) {
  ReportInput input;
  for (int step = 1; step <= 5; ++step)
    input.metrics.add_row({{"step", step}, {"loss", std::pow(10.0, -step)}, {"kl", std::pow(10.0, -step)}});
  EXPECT_THAT(render_report(input),
              AllOf(HasSubstr(R"("unit":"Loss","log":true)"), HasSubstr(R"("unit":"nats","log":false)")));
  input.metrics.add_row({{"step", 6}, {"loss", 0}});
  EXPECT_THAT(render_report(input), Not(HasSubstr(R"("log":true)"))) << "zero has no place on it";
}

TEST(Headline, AndWarningsDoNotContradictEachOther) {
  auto input = evaluated({0, 0, 0, 0, 0}, {1, 1.1, 0.9, 1, 1.2});
  for (int step = 1; step <= 8; ++step) input.metrics.add_row({{"step", step}, {"loss", 0.6931}});
  EXPECT_THAT(warnings_of(input), IsEmpty()) << "something was learnt";
  input.held_out.clear();
  EXPECT_THAT(warnings_of(input), testing::ElementsAre(HasSubstr("next to nothing was learnt")));
  EXPECT_THAT(verdict(input), HasSubstr("1 thing below is worth a look first."));
}

/// Twenty steps of four pairs each, whose accuracy is given.
ReportInput ranked(double accuracy, double pairs) {
  ReportInput input;
  for (int step = 1; step <= 20; ++step)
    input.metrics.add_row({{"step", step}, {"epoch", step}, {kAccuracy, accuracy}, {"loss", 1.0 / step}});
  input.run = Json{{"data", {{{"rows_kept", pairs}, {"pairs", pairs}}}}};
  return input;
}

TEST(Warnings, CountTheirSample) {
  EXPECT_THAT(warnings_of(ranked(0.25, 4)), IsEmpty()) << "1 of 4 pairs is what chance gives";
  EXPECT_THAT(warnings_of(ranked(0, 4)),
              testing::ElementsAre(HasSubstr("only 0 of the last 4 pairs as the data")));
  EXPECT_THAT(warnings_of(ranked(0.25, 400)),
              testing::ElementsAre(HasSubstr("100 of the last 400 pairs (25 %)")));
  ReportInput cut;
  for (int step = 1; step <= 30; ++step)
    cut.metrics.add_row({{"step", step}, {"epoch", step / 10.0}, {"completions/clipped_ratio", 0.5}});
  cut.run = Json{{"data", {{{"candidates", 20}}}}};
  EXPECT_THAT(warnings_of(cut), testing::ElementsAre(HasSubstr("4 of the last 8 completions were cut off")));
}

TEST(Advice, NamesSettingsOfTheRun) {
  ReportInput input;
  input.metrics.add_row({{"step", 1}, {"kl", 50.0}});
  EXPECT_THAT(warnings_of(input), testing::ElementsAre(Not(HasSubstr("beta"))));
  input.recipe = "method:\n  name: dpo\n  beta: 0.1\n";
  EXPECT_THAT(warnings_of(input), testing::ElementsAre(HasSubstr("a larger method.beta")));
}

TEST(Failure, IsToldWithItsReasonAndRows) {
  ReportInput input;
  input.metrics.add_row({{"step", 2}, {"loss", 1.0}});
  input.run = Json{{"state", "failed"}, {"reason", "update 3: the loss is nan"}};
  input.bad_batch.push_back({"row 17 of prefs.jsonl", "Once <upon", " a time"});
  EXPECT_THAT(verdict(input), HasSubstr("The run failed after 2 steps"));
  const std::string page = render_report(input);
  EXPECT_THAT(page, HasSubstr("Where it stopped"));
  EXPECT_THAT(page, HasSubstr("row 17 of prefs.jsonl"));
  EXPECT_THAT(page, HasSubstr("Once &lt;upon</p><p class=\"story\"> a time"));
}

TEST(HeldOut, MarginOfMethodsWithoutPairs) {
  // Good completions of prompts 1 and 2, bad ones of 3 and 4: 0 − 0 before, (3 + 1) / 2 − (−1 − 3) / 2 = 4
  // after. Prompts add 4 + (1, −1, −1, 1) · 2: s² = 16 / 3, standard error √(4/3), t(3) = 3.182446.
  const auto line = [](const char* good, const char* bad) {
    return read_held_out(
               Json::parse(
                   std::string(
                       R"({"step":1,"data":"x","prompts":4,"metrics":{"eval_rewards/chosen":{"sums":)") +
                   good + R"(,"counts":[1,1,0,0]},"eval_rewards/rejected":{"sums":)" + bad +
                   R"(,"counts":[0,0,1,1]}}})"))
        .value();
  };
  const auto change = held_out_change(line("[0,0,0,0]", "[0,0,0,0]"), line("[3,1,0,0]", "[0,0,-1,-3]"),
                                      "eval_rewards/margins", false);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->before, 0);
  EXPECT_DOUBLE_EQ(change->after, 4);
  EXPECT_EQ(change->change.count, 4);
  EXPECT_NEAR(change->change.low, 4 - 3.182446 * std::sqrt(4.0 / 3), 1e-5);
}

TEST(HeldOut, DamagedLinesAreLeftOut) {
  for (const char* line : {"[]", "{}", R"({"step":1,"data":"x","prompts":-1,"metrics":{}})",
                           R"({"step":1,"data":"x","prompts":2,"metrics":[]})"})
    EXPECT_FALSE(read_held_out(Json::parse(line))) << line;
  const auto read = read_held_out(Json::parse(
      R"({"step":1,"data":"x","prompts":2,"metrics":{"a":{"sums":[1]},"b":{"sums":[1,null],"counts":[1]},
          "c":{"sums":[1,null]},"d":3}})"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->metrics.size(), 1u);
  EXPECT_TRUE(std::isnan(read->metrics.at("c").sums[1]));
}

}  // namespace
}  // namespace attune::report
