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

TEST(MetricNames, BetterInWords) {
  EXPECT_EQ(to_text(find_metric("loss")->better), "lower");
  EXPECT_EQ(to_text(find_metric("reward")->better), "higher");
  EXPECT_EQ(to_text(find_metric("kl")->better), "neither");
}

}  // namespace
}  // namespace attune::report
