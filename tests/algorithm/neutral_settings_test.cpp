// What single answers, groups and margins of their own become at neutral settings, and where they come to rest.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

/// Pairs with all that a method on pairs may read.
Batch all_of_pairs() {
  Batch batch = random_step(*method("dpo"), 31, 6);
  batch.signals["old_logps"] = batch.signals.at("logps");
  batch.signals["teacher_logps"] = per_token(batch.signal("ref_logps") * 1.3);
  return batch;
}

/// Single answers with all that a method on demonstrations or labels may read.
Batch all_of_singles() {
  Batch batch = random_step(*method("asft"), 32, 6);
  for (const char* key : {"top_logps", "top_entropy", "entropy", "ref_logps"})
    batch.signals[key] = per_token(batch.signal("logps") * 0.5);
  batch.signals["old_logps"] = batch.signals.at("logps");
  return batch;
}

TEST(NeutralSettings, PairsAreDpo) {
  for (const std::string same :
       {"{name: mallows_dpo, dispersion: 1}", "group_dpo", "{name: step_dpo, beta: 0.1}",
        "{name: sr_dpo, lambda: 0}", "{name: hpo, gamma: 0}", "modpo", "{name: d2o, alpha: 0.1}"})
    expect_same("dpo", same, all_of_pairs());
  expect_same("{name: cpo, cpo_alpha: 0}", "{name: cpl, bias: 1}", all_of_pairs());
}

TEST(NeutralSettings, DemonstrationsAreSft) {
  for (const std::string same : {"{name: eaft, alpha: 0}", "{name: weak_to_strong, alpha: 0}",
                                 "{name: quark, beta: 0, entropy_coef: 0}"})
    expect_same("sft", same, all_of_singles());
  expect_same("dft", "{name: asft, alpha: 0}", all_of_singles());
  Batch equal = all_of_singles();
  for (Candidate& candidate : equal.candidates) candidate.reward = 1;
  expect_same("{name: sft, normalization: sequence}", "reward_weighted", equal);
  expect_same("{name: sft, normalization: sequence}", "awr", equal);
}

TEST(NeutralSettings, UnpairedClassificationWithoutAShiftIsThatOfPairs) {
  Batch batch = all_of_pairs();
  for (Candidate& candidate : batch.candidates) {
    candidate.weight = 1;
    candidate.label = candidate.role == Role::kChosen;
  }
  const auto single = method("{name: bco, shift: none}"), paired = method("bco_pair");
  // The mean over completions against the sum of both over pairs: half as much.
  EXPECT_NEAR(2 * loss_of(*single, prepared(*single, batch)), loss_of(*paired, batch), 1e-12);
}

TEST(NeutralSettings, ARankingOfTwoIsAComparison) {
  Batch batch = random_step(*method("bradley_terry"), 33, 6);
  for (Candidate& candidate : batch.candidates) candidate.margin.reset();
  const Coefficients pair = coefficients_of(*method("bradley_terry"), batch),
                     list = coefficients_of(*method("plackett_luce_rm"), batch);
  EXPECT_NEAR(pair.loss, list.loss, 1e-12);
  EXPECT_TRUE(at::allclose(pair.by_signal.at("score"), list.by_signal.at("score"), 1e-12, 1e-13));
}

TEST(NeutralSettings, ARewardModelWithoutItsRegulariserIsBradleyTerry) {
  Batch batch = random_step(*method("{name: grm, aux: dpo, reference_free: false}"), 41, 6);
  const Coefficients plain = coefficients_of(*method("bradley_terry"), batch);
  for (const std::string same : {"{name: grm, alpha: 0}", "{name: pcrm, prior: fixed, limit: 1e6}"}) {
    const Coefficients found = coefficients_of(*method(same), batch);
    EXPECT_NEAR(found.loss, plain.loss, 1e-12) << same;
    EXPECT_TRUE(at::allclose(found.by_signal.at("score"), plain.by_signal.at("score"), 1e-12, 1e-13)) << same;
  }
  // The text alone is DPO, or its form without a reference; the score is not moved then.
  expect_same("dpo", "{name: grm, alpha: 1, aux: dpo, reference_free: false}", batch);
  expect_same("{name: dpo, reference_free: true}", "{name: grm, alpha: 1, aux: dpo}", batch);
  const auto text = method("{name: grm, alpha: 1, aux: dpo}");
  EXPECT_EQ(coefficients_of(*text, batch).by_signal.at("score").abs().max().item<double>(), 0);
}

TEST(NeutralSettings, PriorConstraintsRestWhereTheLogisticLossesBalance) {
  // −log σ(g) − log σ(δ* − g) is least at g = δ*/2, whatever the pair; β₁ = 2 of answers of 2 and 4 tokens, and the
  // cosine ½ is an angle of π/3, so that two thirds of the half circle remain.
  Batch batch = one_pair({-1, -1}, {}, {-1, -1, -1, -1}, {});
  batch.candidates[0].scores["cosine"] = 0.5;
  const double beta2 = 0.001;
  for (const auto& [prior, alike] :
       {std::pair<std::string, double>{"length", 0.5}, std::pair<std::string, double>{"cosine", 2.0 / 3}}) {
    const double furthest = 2 / (alike + beta2);
    batch.signals["score"] = {Positions::kLast, at::tensor({furthest / 4, -furthest / 4}, at::kDouble)};
    const auto of = method("{name: pcrm, beta1: 2, prior: " + prior + "}");
    const Coefficients found = coefficients_of(*of, batch);
    EXPECT_NEAR(found.loss, 2 * std::log1p(std::exp(-furthest / 2)), 1e-12) << prior;
    EXPECT_NEAR(found.by_signal.at("score").abs().max().item<double>(), 0, 1e-12) << prior;
  }
  batch.candidates[0].scores.clear();
  EXPECT_THROW(loss_of(*method("{name: pcrm, prior: cosine}"), batch), core::Error);
}

TEST(NeutralSettings, LeaveOneOutIsTheCentredRewardTimesAFactor) {
  // On policy the coefficient is A_i / N with A_i = G/(G − 1) (r_i − mean): four answers a group.
  Batch batch = random_step(*method("dr_grpo"), 34, 3);
  batch.signals["old_logps"] = batch.signals.at("logps");
  const auto rloo = method("{name: rloo, beta: 0}");
  const at::Tensor c = coefficients_of(*rloo, prepared(*rloo, batch)).by_signal.at("logps");
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    double mean = 0;
    for (std::int64_t j = i / 4 * 4; j < i / 4 * 4 + 4; ++j) mean += *batch.candidates[j].reward / 4;
    const double expected =
        batch.candidates[i].weight * 4.0 / 3.0 * (*batch.candidates[i].reward - mean) / 12;
    EXPECT_NEAR(c[batch.offsets[i]].item<double>(), expected, 1e-12);
  }
}

TEST(NeutralSettings, AdvantagesOfTheStepHaveMeanZeroAndDeviationOne) {
  const auto of = method("reinforce_pp");
  const at::Tensor a = prepared(*of, random_step(*of, 35, 5)).fixed("advantages");
  EXPECT_NEAR(a.mean().item<double>(), 0, 1e-12);
  EXPECT_NEAR(a.std().item<double>(), 1, 1e-6);
}

TEST(NeutralSettings, WeightedRegressionRestsAtTheTiltedReference) {
  // Five arms, drawn as the reference does, which their weights stand for: the optimum is π_ref e^(r/β)/Z.
  const std::vector<double> reference = {0.4, 0.3, 0.15, 0.1, 0.05}, rewards = {0.1, 0.6, -0.4, 0.9, 0.3};
  constexpr double kBeta = 0.5;
  const auto awr = method("{name: awr, beta: 0.5}");
  Batch batch;
  batch.offsets = {0, 1, 2, 3, 4, 5};
  batch.candidates.resize(5);
  for (std::size_t i = 0; i < 5; ++i) {
    batch.candidates[i].reward = rewards[i];
    batch.candidates[i].weight = reference[i];
  }
  batch.totals = totals_of(batch.offsets, batch.candidates);
  at::Tensor logits = at::zeros({5}, at::kDouble);
  for (int step = 0; step < 4000; ++step) {
    batch.signals["logps"] = per_token(logits.log_softmax(0));
    const at::Tensor c = coefficients_of(*awr, prepared(*awr, batch)).by_signal.at("logps");
    logits = logits + (c - logits.softmax(0) * c.sum());
  }
  at::Tensor wanted = at::tensor(reference, at::kDouble) * (at::tensor(rewards, at::kDouble) / kBeta).exp();
  wanted = wanted / wanted.sum();
  EXPECT_LT((logits.softmax(0) - wanted).abs().sum().item<double>() / 2, 1e-3);
}

TEST(NeutralSettings, TheWorstGroupGainsWeight) {
  Batch batch = all_of_pairs();
  for (Candidate& candidate : batch.candidates) candidate.source = candidate.group < 3 ? "north" : "south";
  at::Tensor& old = batch.signals.at("old_logps").numbers;
  old = old.clone();
  for (const Pair& pair : batch.pairs) {  // the policy is wrong about the south
    if (batch.candidates[pair.chosen].source != "south") continue;
    const auto [first, count] = batch.rows_of(static_cast<std::int64_t>(pair.chosen), Positions::kTokens);
    old.slice(0, first, first + count) -= 50;
  }
  const auto of = method("{name: group_dpo, step_size: 0.5}");
  const at::Tensor weight = prepared(*of, batch).fixed("group_weight");
  EXPECT_LT(weight[0].item<double>(), 1);
  EXPECT_GT(weight[batch.size() - 1].item<double>(), 1);
}

}  // namespace
}  // namespace attune::algorithm::testing
