// Losses and coefficients of methods on pairs without a reference, with more than log-ratios, and on lists,
// worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr double kExact = 1e-12;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::log1p(std::exp(x)); }

void expect(const std::string& yaml, const Batch& step, double loss,
            const std::vector<double>& coefficients) {
  const auto of = method(yaml);
  const Coefficients found = coefficients_of(*of, prepared(*of, step));
  EXPECT_NEAR(found.loss, loss, kExact) << yaml;
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kExact), coefficients)) << yaml;
}

/// Σ: chosen −1.0 over two tokens, −0.5 a token; rejected −2.0 in one.
Batch without_reference() {
  Batch batch = one_pair({-0.4, -0.6}, {}, {-2.0}, {});
  batch.signals.erase("ref_logps");
  return batch;
}

/// Σ as above against −1.5 and −1.7: ratios 0.5 and −0.3, so β = 0.1 gives u = 0.08.
Batch with_reference() { return one_pair({-0.4, -0.6}, {-0.5, -1.0}, {-2.0}, {-1.7}); }

TEST(WorkedPreferences, Simpo) {
  // v = 2 (−0.5 + 2.0) − 1 = 2;  c = ± β σ(−v)/|y|
  const double c = logistic(-2);
  expect("{name: simpo, beta: 2, gamma: 1}", without_reference(), softplus(-2), {c, c, -2 * c});
}

TEST(WorkedPreferences, Cpo) {
  // w = 0.1 · 1 = 0.1, and the chosen tokens' mean of −log π is 0.5, whose weight is α/2 a token
  const double c = 0.1 * logistic(-0.1);
  expect("cpo", without_reference(), softplus(-0.1) + 0.5, {c + 0.5, c + 0.5, -c});
  expect("{name: cpo, cpo_alpha: 0}", without_reference(), softplus(-0.1), {c, c, -c});
}

TEST(WorkedPreferences, CpoByAHinge) {
  // 1 − 0.5 · 1 = 0.5, beside 0.5
  expect("{name: cpo_hinge, beta: 0.5}", without_reference(), 1, {1, 1, -0.5});
  // the margin is reached: only the likelihood is left
  expect("{name: cpo_hinge, beta: 2}", without_reference(), 0.5, {0.5, 0.5, 0});
}

TEST(WorkedPreferences, CpoByARegression) {
  // per token the gap is 1.5, to be 1/(2 · 0.5) = 1: 0.5², slope 1, half of it on each chosen token
  expect("{name: cpo_ipo, beta: 0.5}", without_reference(), 0.75, {0, 0, 1});
}

TEST(WorkedPreferences, CpoSimpo) {
  const double c = logistic(-2);
  expect("{name: cpo_simpo, beta: 2, gamma: 1, cpo_alpha: 0.5}", without_reference(), softplus(-2) + 0.25,
         {c + 0.25, c + 0.25, -2 * c});
}

TEST(WorkedPreferences, Alphapo) {
  // α = 1: r = 1 − e^(−s̄), so r₊ − r₋ = e² − e^½, and dr/ds̄ = e^(−s̄)
  const double u = 0.5 * (std::exp(2) - std::exp(0.5)), c = 0.5 * logistic(-u);
  expect("{name: alphapo, alpha: 1, beta: 0.5, gamma: 0}", without_reference(), softplus(-u),
         {c * std::exp(0.5) / 2, c * std::exp(0.5) / 2, -c * std::exp(2)});
}

TEST(WorkedPreferences, Simper) {
  const double chosen = std::exp(-0.5), rejected = std::exp(-2);
  expect("simper", without_reference(), rejected - chosen, {chosen / 2, chosen / 2, -rejected});
}

TEST(WorkedPreferences, Orpo) {
  // p₊ = 1/2, p₋ = 1/4: odds 1 and 1/3, z = log 3, σ(z) = 3/4. The chosen tokens' mean of −log π is ln 2.
  Batch batch = one_pair({std::log(0.5), std::log(0.5)}, {}, {std::log(0.25)}, {});
  batch.signals.erase("ref_logps");
  // c₊ = [1 + β σ(−z)/(1 − p₊)]/2 = [1 + 0.4 · 0.25/0.5]/2,  c₋ = −β σ(−z)/(1 − p₋) = −0.4 · 0.25/0.75
  expect("{name: orpo, beta: 0.4}", batch, std::log(2) - 0.4 * std::log(0.75), {0.6, 0.6, -0.4 / 3});
  const auto orpo = method("orpo");
  const Coefficients found = coefficients_of(*orpo, prepared(*orpo, batch));
  EXPECT_NEAR(found.metrics.at("log_odds_chosen").value(), std::log(3), kExact);
  EXPECT_NEAR(found.metrics.at("log_odds_ratio").value(), std::log(0.75), kExact);
  EXPECT_NEAR(found.metrics.at("nll_loss").value(), std::log(2), kExact);
}

TEST(WorkedPreferences, OrpoOfACertainAnswerIsFinite) {
  const auto orpo = method("orpo");
  for (const auto& [chosen, rejected] : {std::pair(0.0, -1e4), std::pair(-1e4, 0.0), std::pair(0.0, 0.0)}) {
    Batch batch = one_pair({chosen}, {}, {rejected}, {});
    const Coefficients found = coefficients_of(*orpo, prepared(*orpo, batch));
    EXPECT_TRUE(std::isfinite(found.loss));
    EXPECT_TRUE(found.by_signal.at("logps").isfinite().all().item<bool>());
  }
}

TEST(WorkedPreferences, Dpop) {
  // chosen −1.2 against −1.0, ratio −0.2, so the penalty is 2 · 0.2; rejected −2.0 against −1.7, ratio −0.3.
  const Batch batch = one_pair({-0.5, -0.7}, {-0.4, -0.6}, {-2.0}, {-1.7});
  // u = 0.1 (−0.2 + 0.3 − 0.4) = −0.03;  c = β (1 + λ) σ(−u) on chosen tokens, −β σ(−u) on rejected
  const double c = logistic(0.03);
  expect("{name: dpop, beta: 0.1, lambda: 2}", batch, softplus(0.03), {0.3 * c, 0.3 * c, -0.1 * c});
  // outside of β: u = 0.1 (−0.2 + 0.3) − 0.4 = −0.39;  c₊ = (β + λ) σ(−u)
  const double d = logistic(0.39);
  expect("{name: dpop, beta: 0.1, lambda: 2, lambda_inside: false}", batch, softplus(0.39),
         {2.1 * d, 2.1 * d, -0.1 * d});
}

TEST(WorkedPreferences, Rdpo) {
  // the chosen answer has one token more: u = 0.08 + 0.5 · 1
  const double c = 0.1 * logistic(-0.58);
  expect("{name: rdpo, alpha: 0.5}", with_reference(), softplus(-0.58), {c, c, -c});
}

TEST(WorkedPreferences, Odpo) {
  Batch batch = with_reference();
  batch.candidates[0].reward = 3;
  batch.candidates[1].reward = 1;
  const auto expect_offset = [&](const std::string& yaml, double offset) {
    const double u = 0.08 - offset, c = 0.1 * logistic(-u);
    expect(yaml, batch, softplus(-u), {c, c, -c});
  };
  expect_offset("{name: odpo, alpha: 0.5}", 0.5 * std::log(2));
  expect_offset("{name: odpo, alpha: 0.5, offset: difference}", 1);
  batch.candidates[0].reward.reset();
  batch.candidates[0].margin = 4;
  expect_offset("odpo", std::log(4));
}

/// Whatever `run` refuses with.
template <class Run>
std::string refusal(const Run& run) {
  try {
    run();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

TEST(WorkedPreferences, OdpoNamesPairsWithoutADifference) {
  Batch batch = with_reference();
  const auto odpo = method("odpo");
  EXPECT_THAT(refusal([&] { loss_of(*odpo, batch); }), HasSubstr("1 of 1 pairs"));
  batch.candidates[0].reward = 1;
  batch.candidates[1].reward = 3;
  batch.candidates[0].rank = 0;
  batch.candidates[1].rank = 1;
  EXPECT_THAT(refusal([&] { loss_of(*odpo, batch); }), HasSubstr("agrees with the preference"));
}

/// One prompt's answers of given log-probabilities, best first, against a reference at −1 a token.
Batch one_list(const std::vector<std::vector<double>>& answers, const std::vector<double>& rewards) {
  Batch batch;
  batch.offsets = {0};
  std::vector<double> logps;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    logps.insert(logps.end(), answers[i].begin(), answers[i].end());
    batch.offsets.push_back(std::ssize(logps));
    batch.candidates.emplace_back();
    batch.candidates.back().rank = static_cast<double>(i);
    batch.candidates.back().reward = rewards[i];
  }
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["logps"] = per_token(at::tensor(logps, at::kDouble));
  batch.signals["ref_logps"] = per_token(at::full({std::ssize(logps)}, -1.0, at::kDouble));
  return batch;
}

TEST(WorkedPreferences, PlackettLuce) {
  // e^s = 4, 2, 1: the best is chosen with 4/7, then the second with 2/3. c = 1 − Σ_{k≤i} w: 3/7, 1 − 2/7 −
  // 2/3, …
  const Batch batch = one_list({{std::log(4) - 1}, {std::log(2) - 1}, {-1}}, {0, 0, 0});
  expect("{name: plackett_luce, beta: 1}", batch, std::log(7.0 / 4) + std::log(1.5),
         {9.0 / 21, 1.0 / 21, -10.0 / 21});
  // the first two tie: each only against the third, 4/5 and 2/3
  Batch tied = batch;
  tied.candidates[1].rank = 0;
  expect("{name: plackett_luce, beta: 1}", tied, std::log(1.25) + std::log(1.5), {0.2, 1.0 / 3, -8.0 / 15});
}

TEST(WorkedPreferences, Rrhf) {
  // means −0.6, −0.4, −1.0: the second is above the best by 0.2; imitating the best costs 1.2
  const Batch batch = one_list({{-0.5, -0.7}, {-0.4}, {-1.0}}, {3, 2, 1});
  expect("rrhf", batch, 1.4, {1.5, 1.5, -1, 0});
  expect("{name: rrhf, rank_weight: 100, sft_weight: 0}", batch, 20, {50, 50, -100, 0});
}

TEST(WorkedPreferences, Pro) {
  // rewards 2 apart, means −0.5 and −1: −log σ(2 · 0.5), beside 0.05 · 1² · 0.5
  const Batch batch = one_list({{-0.3, -0.7}, {-1}}, {3, 1});
  const double c = 2 * logistic(-1);
  expect("pro", batch, softplus(-1) + 0.025, {(c + 0.05) / 2, (c + 0.05) / 2, -c});
}

TEST(WorkedPreferences, Lipo) {
  // s = −0.5 and 0: the better one is second. |2 − 1| · |1/ln 3 − 1/ln 2| · log(1 + e^½)
  const Batch batch = one_list({{-1.5}, {-1}}, {1, 0});
  const double w = 1 / std::log(2) - 1 / std::log(3), c = w * logistic(0.5);
  expect("{name: lipo, beta: 1}", batch, w * softplus(0.5), {c, -c});
}

TEST(WorkedPreferences, Lire) {
  // shares 3/4 and 1/4 of rewards 1 and 0: expected 3/4;  c = w (r − 3/4)
  const Batch batch = one_list({{std::log(0.6)}, {std::log(0.2)}}, {1, 0});
  expect("lire", batch, -0.75, {0.1875, -0.1875});
}

TEST(WorkedPreferences, InfoncaAndNca) {
  // rewards ask for shares 3/4 and 1/4; nothing has moved: s = 0
  const Batch batch = one_list({{-1}, {-1}}, {std::log(3), 0});
  expect("{name: infonca, beta: 1, alpha: 1}", batch, std::log(2), {0.25, -0.25});
  // c = share · ½ − ½ · ½
  expect("{name: nca, beta: 1, alpha: 1}", batch, 2 * std::log(2), {0.125, -0.125});
}

TEST(WorkedPreferences, Exo) {
  // q = ½, ½ of p = ¾, ¼;  ∂L/∂s = q (log q/p − L), where L = ½ log 4/3
  const Batch batch = one_list({{-1}, {-1}}, {std::log(3), 0});
  const double c = std::log(3) / 4;
  expect("{name: exo, beta: 1}", batch, 0.5 * std::log(4.0 / 3), {c, -c});
}

TEST(WorkedPreferences, Slic) {
  // 1 + 1.2 − 0.4 = 1.8, beside 0.1 · 1.2
  const Batch batch = one_list({{-0.5, -0.7}, {-0.4}}, {3, 1});
  expect("slic", batch, 1.92, {1.1, 1.1, -1});
  expect("{name: slic, variant: margin, margin: 0.5}", batch, 1.92, {1.1, 1.1, -1});
  // the margin is reached: nothing is pushed
  expect("{name: slic, lambda: 0}", one_list({{-0.5}, {-2}}, {3, 1}), 0, {0, 0});
  // likelihoods that tie, one place and two places apart: (1 + 2 + 1)/3
  const Batch three = one_list({{-1}, {-1}, {-1}}, {3, 2, 1});
  expect("{name: slic, variant: list, lambda: 0}", three, 4.0 / 3, {2.0 / 3, 0, -2.0 / 3});
  // the third one is imitated and not compared
  Batch human = three;
  human.candidates[2].source = "reference";
  expect("{name: slic, target: reference}", human, 1.1, {1, -1, 0.1});
  EXPECT_THAT(refusal([&] { loss_of(*method("{name: slic, target: reference}"), three); }),
              HasSubstr("one answer of 'source' reference"));
}

TEST(WorkedPreferences, Vcb) {
  // Δ = ±0.5 apart by 1, asked for 1/2: 0.5², slope 1
  const Batch batch = one_list({{-0.5}, {-1.5}}, {1, 0});
  expect("{name: vcb, lambda: 2}", batch, 0.25, {-1, 1});
}

TEST(WorkedPreferences, ListsWithoutFeedbackAreCounted) {
  Batch batch = one_list({{-0.5}, {-1.5}}, {1, 0});
  batch.candidates[1].reward.reset();
  batch.candidates[1].index = 1;
  EXPECT_THAT(refusal([&] { loss_of(*method("lire"), batch); }),
              HasSubstr("1 of 2 candidates of this step have no finite 'reward' (candidate 1 of group 0"));
}

}  // namespace
}  // namespace attune::algorithm::testing
