// The parts that methods share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "algorithm/fixture/fixture.h"
#include "algorithm/fixture/signals.h"
#include "algorithm/part/divergence.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/kl_estimators.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/segments.h"
#include "core/error.h"
#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

using ::testing::ElementsAre;

const double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Segments, RaggedSums) {
  const core::Offsets offsets = {0, 2, 2, 5};
  const at::Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0}, at::kDouble);
  EXPECT_THAT(list(segment_sum(x, offsets)), ElementsAre(3, 0, 12));
  EXPECT_THAT(list(segment_mean(x, offsets)), ElementsAre(1.5, 0, 4));
  EXPECT_THAT(list(lengths(offsets)), ElementsAre(2, 0, 3));
  EXPECT_THAT(list(spread(at::tensor({7.0, 8.0, 9.0}, at::kDouble), offsets)), ElementsAre(7, 7, 9, 9, 9));
}

TEST(KlEstimators, ValuesAndUnbiasedness) {
  // π = (0.6, 0.4), other = (0.5, 0.5): KL = 0.6 ln 1.2 + 0.4 ln 0.8
  const at::Tensor p = at::tensor({0.6, 0.4}, at::kDouble), logps = p.log(),
                   other = at::tensor({0.5, 0.5}, at::kDouble).log();
  const double kl = 0.6 * std::log(1.2) + 0.4 * std::log(0.8);
  EXPECT_NEAR((p * kl_k1(logps, other)).sum().item<double>(), kl, 1e-15);
  EXPECT_NEAR((p * kl_k3(logps, other)).sum().item<double>(), kl, 1e-15);
  EXPECT_NEAR((p * kl_k2(logps, other)).sum().item<double>(),
              0.3 * std::pow(std::log(1.2), 2) + 0.2 * std::pow(std::log(0.8), 2), 1e-15);
}

TEST(Divergences, Values) {
  const at::Tensor two = at::tensor({std::log(2.0)}, at::kDouble);  // ρ = 2
  EXPECT_NEAR(divergence_score("reverse_kl", 0, two).item<double>(), std::log(2.0), 1e-15);
  EXPECT_NEAR(divergence_score("forward_kl", 0, two).item<double>(), 0.5, 1e-15);
  EXPECT_NEAR(divergence_score("js_divergence", 0, two).item<double>(), std::log(4.0 / 3), 1e-15);
  EXPECT_NEAR(divergence_score("alpha_divergence", 3, two).item<double>(), 1.5, 1e-14);  // (2² − 1) / 2
}

TEST(GroupStatistics, AdvantagesLeaveOutWhatHasNoReward) {
  std::vector<Candidate> candidates(5);
  const double rewards[] = {1, 3, kNan, 5, 5};
  const std::int64_t groups[] = {0, 0, 0, 1, 1};
  for (int i = 0; i < 5; ++i) {
    candidates[i].reward = rewards[i];
    candidates[i].group = groups[i];
  }
  // group 0: mean 2, deviation √2; group 1: deviation 0
  const GroupAdvantages group = group_advantages(candidates, RewardScale::kGroup);
  const double a = 1 / (std::sqrt(2.0) + 1e-4);
  EXPECT_THAT(group.advantages, ::testing::Pointwise(::testing::DoubleNear(1e-15), {-a, a, 0.0, 0.0, 0.0}));
  EXPECT_THAT(group.no_spread, ElementsAre(false, false, false, true, true));
  EXPECT_THAT(group_advantages(candidates, RewardScale::kNone).advantages, ElementsAre(-1, 1, 0, 0, 0));
  // the step: 1, 3, 5, 5: mean 3.5, squares 6.25 + 0.25 + 2.25 + 2.25 = 11, deviation √(11/3)
  EXPECT_NEAR(group_advantages(candidates, RewardScale::kBatch).advantages[1],
              1 / (std::sqrt(11.0 / 3) + 1e-4), 1e-15);
}

TEST(GroupStatistics, OneCandidateHasNoSpread) {
  const GroupAdvantages alone = group_advantages(std::vector<Candidate>(1), RewardScale::kGroup);
  EXPECT_THAT(alone.advantages, ElementsAre(0));
  EXPECT_THAT(alone.no_spread, ElementsAre(true));
  EXPECT_TRUE(std::isnan(mean_deviation(std::vector<double>{kNan}).mean));
  EXPECT_TRUE(std::isnan(mean_deviation(std::vector<double>{1}).deviation));
}

TEST(RolloutMetrics, Lengths) {
  Batch step;
  step.offsets = {0, 2, 7, 8};
  step.candidates.resize(3);
  step.candidates[1].truncated = true;
  Metrics metrics;
  add_length_metrics(step, metrics);
  EXPECT_NEAR(metrics["completions/mean_length"].value(), 8.0 / 3, 1e-15);
  EXPECT_EQ(metrics["completions/max_length"].value(), 5);
  EXPECT_EQ(metrics["completions/max_terminated_length"].value(), 2);
  EXPECT_EQ(metrics["completions/mean_terminated_length"].value(), 1.5);
  EXPECT_NEAR(metrics["completions/clipped_ratio"].value(), 1.0 / 3, 1e-15);
}

TEST(MetricFolds, AddUp) {
  Metric mean = Metric::mean(3, 2), least = Metric::min(2), most = Metric::max(2), sum = Metric::total(4);
  mean.add(Metric::mean(5, 2));
  least.add(Metric::min(1));
  most.add(Metric::max(1));
  sum.add(Metric::total(1));
  EXPECT_EQ(mean.value(), 2);
  EXPECT_EQ(least.value(), 1);
  EXPECT_EQ(most.value(), 2);
  EXPECT_EQ(sum.value(), 5);
  EXPECT_TRUE(std::isnan(Metric::mean(0, 0).value()));
}

TEST(FixtureSignals, OfATwoWordVocabulary) {
  // p = (0.75, 0.25), reference (0.5, 0.5)
  const at::Tensor logits = at::tensor({std::log(3.0), 0.0}, at::kDouble).view({1, 2});
  const auto signals = signals_of_logits(logits, at::tensor({1}, at::kLong), at::zeros({1, 2}, at::kDouble));
  EXPECT_NEAR(signals.at("logps").item<double>(), std::log(0.25), 1e-15);
  EXPECT_NEAR(signals.at("entropy").item<double>(), -0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-15);
  EXPECT_EQ(signals.at("argmax_hit").item<double>(), 0);
  EXPECT_NEAR(signals.at("wpo_weight").item<double>(), std::log(0.25) - std::log(0.625), 1e-15);
  EXPECT_NEAR(signals.at("reference_kl").item<double>(),
              0.5 * std::log(0.5 / 0.75) + 0.5 * std::log(0.5 / 0.25), 1e-15);
}

core::Json explain(const std::string& fixture, const std::string& name) {
  const auto used = method(name);
  return explain_fixture(parse_fixture(core::parse_json(fixture, "f.json"), "f.json"), *used, "f.json");
}

TEST(Fixtures, KeepTheOrderOfTheFile) {
  // groups interleaved, the rejected one first: u = 0.1 (0.5 + 0.3) in group 4
  const core::Json found = explain(
      R"({"candidates": [
        {"group": 4, "rank": 1, "logps": [-2.0], "ref_logps": [-1.7]},
        {"group": 1, "rank": 0, "logps": [-1.0], "ref_logps": [-1.0]},
        {"group": 4, "rank": 0, "logps": [-0.4, -0.6], "ref_logps": [-0.5, -1.0]},
        {"group": 1, "rank": 1, "logps": [-1.0], "ref_logps": [-1.0]}]})",
      "dpo");
  const double c = 0.05 / (1 + std::exp(0.08));  // half of β σ(−0.08): two pairs
  EXPECT_NEAR(found["candidates"][0]["coefficients"][0].get<double>(), -c, 1e-15);
  EXPECT_NEAR(found["candidates"][2]["coefficients"][1].get<double>(), c, 1e-15);
  EXPECT_NEAR(found["candidates"][1]["coefficients"][0].get<double>(), 0.025, 1e-15);
  EXPECT_NEAR(found["candidates"][3]["coefficients"][0].get<double>(), -0.025, 1e-15);
}

TEST(Fixtures, RefusesWithAPlace) {
  const auto message = [](const std::string& fixture, const std::string& name) -> std::string {
    try {
      explain(fixture, name);
    } catch (const core::Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "";
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message(R"({"candidates": []})", "sft"), HasSubstr("at least one"));
  EXPECT_THAT(message(R"({"candidate": []})", "sft"), HasSubstr("candidates"));
  EXPECT_THAT(message(R"({"candidates": [{"logps": [1e999]}]})", "sft"), HasSubstr("f.json"));
  EXPECT_THAT(message(R"({"candidates": [{"logits": [[0, 1]], "ids": [2]}]})", "sft"), HasSubstr("id 2"));
  EXPECT_THAT(message(R"({"candidates": [{"logits": [[0, 1], [0]], "ids": [1, 0]}]})", "sft"),
              HasSubstr("logits"));
  EXPECT_THAT(message(R"({"candidates": [{"logits": [[0, 1]]}]})", "sft"), HasSubstr("ids"));
  EXPECT_THAT(message(R"({"candidates": [{"logps": [-1]}]})", "grpo"), HasSubstr("reward"));
  EXPECT_THAT(message(R"({"candidates": [{"logps": [-1], "ref_logps": [-1], "label": true}]})", "kto"),
              HasSubstr("kl_logps"));
  EXPECT_THAT(message(R"({"candidates": [{"rank": 0, "logps": [-1]}, {"rank": 1, "logps": [-1]}]})", "tdpo"),
              HasSubstr("ref_logps"));
}

}  // namespace
}  // namespace attune::algorithm::testing
