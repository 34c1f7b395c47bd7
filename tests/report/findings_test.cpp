#include "report/finding/findings.h"
#include "report/page/gradients.h"
#include "report/run/layer_norms.h"
#include "tests/report/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace attune::report {
namespace {

using core::Json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ReportInput with_rows(const std::vector<Json>& rows) {
  ReportInput input;
  for (const auto& row : rows) input.metrics.add_row(row);
  return input;
}
ReportInput with(std::initializer_list<Json> rows) { return with_rows(rows); }

TEST(Readable, Numbers) {
  EXPECT_EQ(readable(0.693147), "0.693");
  EXPECT_EQ(readable(-12), "−12");
  EXPECT_EQ(readable(1e300), "1.00e+300");
  EXPECT_EQ(readable(12345), "12345");
  EXPECT_EQ(readable(1234567), "1.23 M");
  EXPECT_EQ(readable(std::nan("")), "–");
  EXPECT_EQ(readable_change(0.5), "+0.500");
  EXPECT_EQ(readable_change(0), "0");
  EXPECT_EQ(readable_seconds(252), "4 min 12 s");
  EXPECT_EQ(readable_seconds(7500), "2 h 5 min");
  EXPECT_EQ(readable_seconds(0.25), "0.25 s");
}

TEST(SeriesTable, StepsComeOnceNullsStayAndOthersAreIgnored) {
  SeriesTable table;
  for (const auto* line : {R"({"step":1,"loss":3,"text":"x"})", R"({"step":2,"loss":null})",
                           R"({"step":3,"loss":1})", R"({"step":2,"loss":2})", R"([1])", R"({"loss":9})"}) {
    table.add_row(Json::parse(line));
  }
  // The second "step 2" comes from a resumed run: it replaces steps 2 and 3.
  EXPECT_EQ(table.find("loss")->steps, (std::vector<double>{1, 2}));
  EXPECT_EQ(table.find("loss")->values, (std::vector<double>{3, 2}));
  EXPECT_EQ(table.find("text"), nullptr);
  table.add_row(Json::parse(R"({"step":3,"loss":null})"));
  EXPECT_TRUE(std::isnan(table.find("loss")->values.back()));
}

TEST(Downsample, KeepsSpikesAndEnds) {
  Series series{"loss", {}, {}};
  for (int step = 0; step < 10'000; ++step) {
    series.steps.push_back(step);
    series.values.push_back(step == 5003 ? 100 : step == 7001 ? -100 : 1);
  }
  const Series drawn = downsample(series, 400);
  EXPECT_LE(drawn.values.size(), 402u);
  EXPECT_THAT(drawn.values, Contains(100));
  EXPECT_THAT(drawn.values, Contains(-100));
  EXPECT_EQ(drawn.steps.front(), 0);
  EXPECT_EQ(drawn.steps.back(), 9999);
  EXPECT_TRUE(std::ranges::is_sorted(drawn.steps));
  EXPECT_EQ(downsample(drawn, 400).values.size(), downsample(drawn, 402).values.size());
}

TEST(Verdict, SaysWhatChangedAndHowSure) {
  auto input = with({{{"step", 100}, {"num_tokens", 5000}, {"step_seconds", 2.0}}});
  const std::vector<HeadlineRow> rows = {{.name = "Mean reward",
                                          .before = 0.36,
                                          .after = 0.64,
                                          .low = 0.25,
                                          .high = 0.31,
                                          .better = Better::kHigher,
                                          .count = 50,
                                          .counted = "openings"}};
  EXPECT_EQ(verdict_in_words(input, rows),
            "The run made 100 steps over 5000 tokens in 3 min 20 s. Mean reward rose from 0.360 to 0.640 (95 "
            "% interval of the change +0.250 to +0.310, over 50 openings), more than chance explains.");
}

TEST(Judgement, DirectionAndInterval) {
  HeadlineRow row = fallen_loss("loss");
  EXPECT_EQ(judgement(row), "better");
  row.better = Better::kHigher;
  EXPECT_EQ(judgement(row), "worse");
  row.high = 0.1;
  EXPECT_EQ(judgement(row), "unclear");
  row.better = Better::kNeither;
  EXPECT_EQ(judgement(row), "");
  row = {.name = "loss", .before = 1, .after = 0.5, .low = -0.6, .high = -0.4, .better = Better::kLower};
  EXPECT_EQ(judgement(row), "") << "an interval over nothing";
}

TEST(Gradients, LoudestLayerAndNaturalOrder) {
  SeriesTable metrics;
  for (int step = 1; step <= 3; ++step)
    metrics.add_row({{"step", step},
                     {"grad_norm/layers.10", 1.0},
                     {"grad_norm/layers.2", step == 2 ? 7.0 : 0.5},
                     {"grad_norm/<b>", 0.1}});
  EXPECT_EQ(loudest_layer(metrics, 1), "layers.10");
  EXPECT_EQ(loudest_layer(metrics, 2), "layers.2");
  EXPECT_EQ(loudest_layer(metrics, 4), "");
  const std::string section = gradients_section(metrics);
  EXPECT_LT(section.find("layers.2<"), section.find("layers.10<"));
  EXPECT_THAT(section, testing::HasSubstr("&lt;b&gt;"));
  EXPECT_THAT(section, testing::HasSubstr("scale from 0.100 to 7."));
  EXPECT_EQ(gradients_section(SeriesTable()), "");
}

TEST(Warnings, CalmRunHasNone) {
  EXPECT_THAT(warnings_of(with(
                  {{{"step", 1}, {"loss", 1.0}, {"kl", 0.1}}, {{"step", 2}, {"loss", 0.9}, {"kl", 0.2}}})),
              IsEmpty());
}

TEST(Warnings, EachForItsReason) {
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"loss", nullptr}}})), ElementsAre(HasSubstr("loss (1 of 1)")));
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"kl", 50.0}}})), ElementsAre(HasSubstr("far from its start")));
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"kl", 2.0}, {"completions/mean_length", 9}}})),
              ElementsAre(HasSubstr("KL 2 nats a token")));
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"reward_std", 0}}})),
              ElementsAre(HasSubstr("All rewards were equal")));
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"frac_reward_zero_std", 0.9}}})),
              ElementsAre(HasSubstr("90 % of the groups of the last logged step:")));
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"completions/clipped_ratio", 0.5}}})),
              ElementsAre(HasSubstr("of the last logged step were cut off at a length limit")));
  EXPECT_THAT(warnings_of(with({{{"step", 1}, {"eval_loss", 1.0}},
                                {{"step", 2}, {"eval_loss", 0.5}},
                                {{"step", 3}, {"eval_loss", 0.8}}})),
              ElementsAre(HasSubstr("best at step 2 (0.500)")));
  auto failed = with({{{"step", 1}, {"loss", 1.0}}});
  failed.run = Json{{"state", "failed"}, {"reason", "update 2: the loss is nan"}};
  EXPECT_THAT(warnings_of(failed), ElementsAre(HasSubstr("stopped: update 2: the loss is nan.")));
}

/// Twelve steps of a preference run: the loss goes from 0.7 to `end`, chosen answers from −100 to `chosen`.
std::vector<Json> preference_run(double end, double chosen) {
  std::vector<Json> rows;
  for (int step = 1; step <= 12; ++step) {
    const bool first = step == 1;
    rows.push_back({{"step", step},
                    {"loss", first ? 0.7 : end},
                    {"grad_norm", first ? 4.0 : 1e-6},
                    {"rewards/margins", first ? 0.0 : 9.0},
                    {"rewards/chosen", first ? 0.0 : (chosen + 100) / 10},
                    {"logps/chosen", first ? -100.0 : chosen}});
  }
  return rows;
}

TEST(Warnings, PreferenceRunThatCollapsed) {
  EXPECT_THAT(warnings_of(with_rows(preference_run(0.4, -110))), IsEmpty());
  EXPECT_THAT(warnings_of(with_rows(preference_run(0.001, -80))),
              ElementsAre(HasSubstr("below 1 % of its first value by step 2 of 12")));
  EXPECT_THAT(warnings_of(with_rows(preference_run(0.4, -300))),
              ElementsAre(HasSubstr("log-probability −100 at first, −300 at the end")));
}

TEST(Warnings, LossThatStandsStill) {
  std::vector<Json> rows;
  for (int step = 1; step <= 6; ++step)
    rows.push_back({{"step", step}, {"loss", 0.6931 + 1e-4 * (step % 2)}});
  EXPECT_THAT(warnings_of(with_rows(rows)), ElementsAre(HasSubstr("stayed at 0.693")));
  rows.back()["loss"] = 0.69;
  EXPECT_THAT(warnings_of(with_rows(rows)), IsEmpty());
}

TEST(Summary, SecondsAreThoseOfEveryUpdateAndTokensOverThem) {
  // updates 1 to 10 at half a second, 11 to 20 at two: 25 s, in which 5,000 tokens were learned from
  const Summary summary = summarise(with({{{"step", 0}, {"eval_loss", 1}},
                                          {{"step", 10}, {"step_seconds", 0.5}, {"num_tokens", 1000}},
                                          {{"step", 20}, {"step_seconds", 2}, {"num_tokens", 5000}}})
                                        .metrics);
  EXPECT_DOUBLE_EQ(summary.seconds, 25);
  EXPECT_DOUBLE_EQ(summary.tokens_per_second, 200);
}

/// A run whose model ends as a uniform distribution over 2,048 tokens, without a gradient from step 2 on.
ReportInput broken(double norm_at_the_end) {
  std::vector<Json> rows = {{{"step", 0}, {"eval_loss", 10.6}, {"eval_entropy", 3.3}},
                            {{"step", 1}, {"loss", 10.2}, {"grad_norm", 11.5}, {"entropy", 4.1}}};
  for (int step = 2; step <= 20; ++step)
    rows.push_back({{"step", step}, {"loss", 7.6246}, {"grad_norm", norm_at_the_end}, {"entropy", 7.624619}});
  rows.back()["eval_loss"] = 7.6246;
  ReportInput input = with_rows(rows);
  input.run = {{"vocabulary", 2048}};
  return input;
}

TEST(Warnings, AModelThatKnowsNothingAnyMore) {
  EXPECT_THAT(
      warnings_of(broken(0)),
      ElementsAre(AllOf(HasSubstr("the same probability"), HasSubstr("7.62 nats"), HasSubstr("2048 tokens"),
                        HasSubstr("training.learning_rate")),
                  AllOf(HasSubstr("exactly zero from step 2 on"), HasSubstr("19 of 20 logged steps"))));
  EXPECT_THAT(warnings_of(broken(1)), ElementsAre(HasSubstr("the same probability")));
  ReportInput sure = broken(0);
  sure.run = {{"vocabulary", 4096}};
  EXPECT_THAT(warnings_of(sure), ElementsAre(HasSubstr("exactly zero")));
  for (const auto& row : headline_of(broken(0))) EXPECT_EQ(row.better, Better::kNeither) << row.name;
  for (const auto& row : headline_of(sure)) {
    if (row.name.starts_with("Loss")) {
      EXPECT_EQ(row.better, Better::kLower) << row.name;
    }
  }
}

TEST(Warnings, AZeroGradientThatTheDataExplainIsNoNews) {
  std::vector<Json> rows;
  for (int step = 1; step <= 6; ++step)
    rows.push_back({{"step", step}, {"loss", 0}, {"grad_norm", 0}, {"frac_reward_zero_std", 1}});
  EXPECT_THAT(warnings_of(with_rows(rows)), Not(Contains(HasSubstr("exactly zero"))));
}

TEST(Warnings, TargetThatIsMet) {  // IPO begins at (1 / 2β)² and ends near zero by design
  auto rows = preference_run(0.001, -80);
  rows.front()["loss"] = 25.0;
  EXPECT_THAT(warnings_of(with_rows(rows)), Not(Contains(HasSubstr("told apart"))));
}

TEST(Warnings, LossThatExploded) {
  std::vector<Json> rows;
  for (int step = 1; step <= 20; ++step) rows.push_back({{"step", step}, {"loss", step == 1 ? 2.0 : 7.0}});
  EXPECT_THAT(warnings_of(with_rows(rows)), ElementsAre(HasSubstr("ended higher than it began")));
}

}  // namespace
}  // namespace attune::report
