#include "report/metric_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace attune::report {
namespace {

TEST(MetricNames, EveryMetricOfTheContractIsDescribed) {
  for (const auto* name : {"step_seconds",
                           "loss",
                           "grad_norm",
                           "learning_rate",
                           "num_tokens",
                           "computed_tokens",
                           "tokens_per_second",
                           "peak_rss_mb",
                           "epoch",
                           "rewards/chosen",
                           "rewards/rejected",
                           "rewards/accuracies",
                           "rewards/margins",
                           "logps/chosen",
                           "logps/rejected",
                           "logits/chosen",
                           "logits/rejected",
                           "kl",
                           "entropy",
                           "reward",
                           "reward_std",
                           "frac_reward_zero_std",
                           "frac_mean_not_positive",
                           "completions/mean_length",
                           "completions/min_terminated_length",
                           "completions/clipped_ratio",
                           "clip_ratio/region_mean",
                           "clip_ratio/low_min",
                           "mean_token_accuracy",
                           "min_reward",
                           "mean_reward",
                           "max_reward",
                           "accuracy",
                           "margin",
                           "step_time"}) {
    ASSERT_NE(find_metric(name), nullptr) << name;
    EXPECT_EQ(find_metric(name)->name, name);
  }
}

TEST(MetricNames, PatternsAndEvaluation) {
  ASSERT_NE(find_metric("rewards/length_rule/mean"), nullptr);
  EXPECT_EQ(find_metric("rewards/length_rule/mean")->name, "rewards/*/mean");
  EXPECT_EQ(find_metric("rewards/my_program/words")->name, "rewards/*");
  EXPECT_EQ(find_metric("rewards/chosen")->name, "rewards/chosen");  // the exact name wins
  EXPECT_EQ(find_metric("eval_loss"), find_metric("loss"));
  EXPECT_EQ(find_metric("rewards/"), nullptr);
  EXPECT_EQ(find_metric("nobody_knows"), nullptr);
}

TEST(MetricNames, TableIsComplete) {
  std::set<std::string_view> groups, names;
  for (const auto& group : metric_groups()) groups.insert(group.name);
  for (const auto& metric : metric_names()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name << " twice";
    EXPECT_TRUE(groups.count(metric.group)) << metric.name;
    EXPECT_TRUE(metric.meaning.ends_with('.')) << metric.name;
    const bool pattern = metric.name.find('*') != std::string_view::npos;
    EXPECT_EQ(metric.title.empty(), pattern) << metric.name;
  }
}

TEST(MetricNames, WhatMethodsSayOfTheirOwnIsReadBackFromTheRun) {
  const core::Json run = {
      {"metrics", to_json(std::vector<MetricMeaning>{{"a/b", "Title", "Meaning.", "nats", Better::kLower},
                                                     {"c", "C", "Another."}})}};
  auto broken = run;
  broken["metrics"]["d"] = 3;
  broken["metrics"]["e"] = {{"title", "no meaning"}};
  for (const auto& one : {run, broken}) {
    const KnownMetrics names(own_metrics(one));
    ASSERT_NE(names.find("eval_a/b"), nullptr);
    EXPECT_EQ(names.find("eval_a/b")->meaning, "Meaning.");
    EXPECT_EQ(names.find("a/b")->unit, "nats");
    EXPECT_EQ(names.find("a/b")->better, Better::kLower);
    EXPECT_EQ(names.find("c")->better, Better::kNeither);
    EXPECT_EQ(names.find("d"), nullptr);
    EXPECT_EQ(names.find("e"), nullptr);
    EXPECT_EQ(names.find("loss"), find_metric("loss"));
    EXPECT_LT(names.place_of("epoch"), names.place_of("a/b"));
    EXPECT_LT(names.place_of("c"), names.place_of("unknown"));
  }
  EXPECT_TRUE(own_metrics(nullptr).empty());
}

TEST(MetricNames, BetterInWords) {
  EXPECT_EQ(to_text(find_metric("loss")->better), "lower");
  EXPECT_EQ(to_text(find_metric("reward")->better), "higher");
  EXPECT_EQ(to_text(find_metric("kl")->better), "neither");
}

}  // namespace
}  // namespace attune::report
