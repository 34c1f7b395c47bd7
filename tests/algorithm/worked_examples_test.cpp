// Losses and coefficients worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "algorithm/base/pair/pair_method.h"
#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::Pointwise;

constexpr double kClose = 1e-12;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(WorkedExamples, Dpo) {
  // Σ: chosen −1.0 against −1.5, ratio 0.5; rejected −2.0 against −1.7, ratio −0.3; u = 0.1 · 0.8 = 0.08.
  const Batch batch = one_pair({-0.4, -0.6}, {-0.5, -1.0}, {-2.0}, {-1.7});
  const Coefficients found = coefficients_of(*method("dpo"), batch);
  EXPECT_NEAR(found.loss, std::log1p(std::exp(-0.08)), kClose);
  // c = ± β σ(−u) on every token
  const double c = 0.1 * sigmoid(-0.08);
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {c, c, -c}));
  EXPECT_NEAR(found.metrics.at("rewards/chosen").value(), 0.05, kClose);
  EXPECT_NEAR(found.metrics.at("rewards/rejected").value(), -0.03, kClose);
  EXPECT_NEAR(found.metrics.at("rewards/margins").value(), 0.08, kClose);
  EXPECT_EQ(found.metrics.at("rewards/accuracies").value(), 1);
  EXPECT_NEAR(found.metrics.at("logps/chosen").value(), -1.0, kClose);
}

TEST(WorkedExamples, DpoAtTheStartPushesByHalfBeta) {
  const Batch batch = one_pair({-0.4, -0.6}, {-0.4, -0.6}, {-2.0}, {-2.0});
  const Coefficients found = coefficients_of(*method("{name: dpo, beta: 0.3}"), batch);
  EXPECT_NEAR(found.loss, std::log(2.0), kClose);
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {0.15, 0.15, -0.15}));
}

TEST(WorkedExamples, ConservativeDpo) {
  // u = 0.08 as above, ε = 0.25: c = β [(1−ε) σ(−u) − ε σ(u)] = β [(1−ε) − σ(u)]
  const Batch batch = one_pair({-0.4, -0.6}, {-0.5, -1.0}, {-2.0}, {-1.7});
  const Coefficients found = coefficients_of(*method("{name: dpo, label_smoothing: 0.25}"), batch);
  EXPECT_NEAR(found.loss, 0.75 * std::log1p(std::exp(-0.08)) + 0.25 * std::log1p(std::exp(0.08)), kClose);
  const double c = 0.1 * (0.75 - sigmoid(0.08));
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {c, c, -c}));
}

TEST(WorkedExamples, LengthDesensitisedDpo) {
  // The shorter side has one token; chosen's second token counts α = 0.5.
  // chosen −0.4 + 0.5 · −0.6 = −0.7 against −0.5 + 0.5 · −1.0 = −1.0: ratio 0.3; u = 0.1 (0.3 + 0.3) = 0.06.
  const Batch batch = one_pair({-0.4, -0.6}, {-0.5, -1.0}, {-2.0}, {-1.7});
  const Coefficients found = coefficients_of(*method("{name: dpo, ld_alpha: 0.5}"), batch);
  const double c = 0.1 * sigmoid(-0.06);
  EXPECT_NEAR(found.loss, std::log1p(std::exp(-0.06)), kClose);
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {c, 0.5 * c, -c}));
}

TEST(WorkedExamples, ReferenceFreeDpo) {
  Batch batch = one_pair({-0.4, -0.6}, {}, {-2.0}, {});
  batch.signals.erase("ref_logps");
  // u = 0.1 (−1.0 + 2.0) = 0.1
  EXPECT_NEAR(coefficients_of(*method("{name: dpo, reference_free: true}"), batch).loss,
              std::log1p(std::exp(-0.1)), kClose);
}

/// A loss on pairs that is one of the policy alone.
class PolicyAlone final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "policy_alone";
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return -at::log_sigmoid(beta_ * pairs.delta());
  }
};

TEST(WorkedExamples, AMethodOfThePolicyAloneReadsNoReference) {
  PolicyAlone method;
  for (const Need& need : method.needs()) EXPECT_EQ(need.source, Source::kPolicy) << need.key();
  for (const char* option : {"reference_free", "f_divergence_type"})
    EXPECT_EQ(method.fields().find(option), nullptr);
  // u = 0.1 (−1.0 + 2.0) = 0.1, whatever a reference says
  const Batch batch = one_pair({-0.4, -0.6}, {-9.0, -9.0}, {-2.0}, {-1.0});
  const Coefficients found = coefficients_of(method, batch);
  EXPECT_NEAR(found.loss, std::log1p(std::exp(-0.1)), kClose);
  EXPECT_NEAR(found.metrics.at("rewards/margins").value(), 0.1, kClose);
}

TEST(WorkedExamples, Sft) {
  Batch batch;
  batch.offsets = {0, 1, 4};
  batch.candidates.resize(2);
  batch.candidates[1].weight = 0.5;
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["logps"] = per_token(at::tensor({-1.0, -0.2, -0.4, -0.6}, at::kDouble));
  // tokens: (1.0 + 0.5 · 1.2) / 4 = 0.4
  const Coefficients tokens = coefficients_of(*method("sft"), batch);
  EXPECT_NEAR(tokens.loss, 0.4, kClose);
  EXPECT_THAT(list(tokens.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {0.25, 0.125, 0.125, 0.125}));
  // sequences: (1.0 + 0.5 · 1.2 / 3) / 2 = 0.6
  const Coefficients sequences = coefficients_of(*method("{name: sft, normalization: sequence}"), batch);
  EXPECT_NEAR(sequences.loss, 0.6, kClose);
  EXPECT_THAT(list(sequences.by_signal.at("logps")),
              Pointwise(DoubleNear(kClose), {0.5, 0.25 / 3, 0.25 / 3, 0.25 / 3}));
}

TEST(WorkedExamples, DftPushesEachTokenByItsProbability) {
  Batch batch;
  batch.offsets = {0, 2};
  batch.candidates.resize(1);
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["logps"] = per_token(at::tensor({std::log(0.5), std::log(0.25)}, at::kDouble));
  // (0.5 ln 2 + 0.25 ln 4) / 2 = 0.5 ln 2;  c = p / 2
  const Coefficients found = coefficients_of(*method("dft"), batch);
  EXPECT_NEAR(found.loss, 0.5 * std::log(2.0), kClose);
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {0.25, 0.125}));
}

/// Two answers of one token to one prompt with rewards 1 and 0: A = ±0.5 / (√½ + 1e-4). Their probabilities
/// were 0.5 when sampled and are 0.6 and 0.25 now, so ρ is 1.2 and 0.5.
Batch two_answers() {
  Batch batch;
  batch.offsets = {0, 1, 2};
  batch.candidates.resize(2);
  batch.candidates[0].reward = 1;
  batch.candidates[1].reward = 0;
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["logps"] = per_token(at::tensor({std::log(0.6), std::log(0.25)}, at::kDouble));
  batch.signals["old_logps"] = per_token(at::tensor({std::log(0.5), std::log(0.5)}, at::kDouble));
  return batch;
}
const double kAdvantage = 0.5 / (std::sqrt(0.5) + 1e-4);

TEST(WorkedExamples, CispoCapsTheWeightAndKeepsTheGradient) {
  // L = −(1.1 A ln 0.6 − 0.5 A ln 0.25) / 2;  c = ±A · weight / 2
  const auto cispo = method("{name: cispo, epsilon_high: 1.1}");
  const Coefficients found = coefficients_of(*cispo, prepared(*cispo, two_answers()));
  EXPECT_NEAR(found.loss, -kAdvantage * (1.1 * std::log(0.6) - 0.5 * std::log(0.25)) / 2, kClose);
  EXPECT_THAT(list(found.by_signal.at("logps")),
              Pointwise(DoubleNear(kClose), {1.1 * kAdvantage / 2, -0.5 * kAdvantage / 2}));
}

TEST(WorkedExamples, VespoWeighsByTheGammaOfTheSequenceRatio) {
  // φ(1.2) with k = 2, λ = 3: e³ 1.2² e^−3.6;  φ(0.5) with k = 3, λ = 2: e² 0.5³ e^−1
  const double good = 1.44 * std::exp(-0.6), bad = 0.125 * std::exp(1.0);
  const auto vespo = method("vespo");
  const Coefficients found = coefficients_of(*vespo, prepared(*vespo, two_answers()));
  EXPECT_THAT(list(found.by_signal.at("logps")),
              Pointwise(DoubleNear(kClose), {good * kAdvantage / 2, -bad * kAdvantage / 2}));
}

/// A good and a bad candidate of one token each with log-ratios 0.2 and 0.4, and mismatched ones with the
/// given ratios.
Batch kto_batch(const std::vector<double>& mismatched) {
  Batch batch;
  batch.candidates.resize(2 + mismatched.size());
  batch.candidates[1].label = false;
  std::vector<double> logps = {-0.8, -0.6}, reference = {-1.0, -1.0};
  batch.offsets = {0, 1, 2};
  for (std::size_t i = 0; i < mismatched.size(); ++i) {
    batch.candidates[2 + i].role = Role::kDerived;
    logps.push_back(-2 + mismatched[i]);
    reference.push_back(-2);
    batch.offsets.push_back(static_cast<std::int64_t>(logps.size()));
  }
  for (std::size_t i = 0; i < batch.candidates.size(); ++i)
    batch.candidates[i].group = static_cast<std::int64_t>(i);
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["logps"] = per_token(at::tensor(logps, at::kDouble));
  batch.signals["ref_logps"] = per_token(at::tensor(reference, at::kDouble));
  return batch;
}

TEST(WorkedExamples, Kto) {
  // z₀ = (0.5 + 0.1) / 2 = 0.3; good: 2 (1 − σ(0.2 − 0.3)); bad: 1 − σ(0.3 − 0.4), with β = 1; mean of two.
  const Coefficients found =
      coefficients_of(*method("{name: kto, beta: 1, desirable_weight: 2}"), kto_batch({0.5, 0.1}));
  EXPECT_NEAR(found.metrics.at("kl").value(), 0.3, kClose);
  EXPECT_NEAR(found.loss, (2 * sigmoid(0.1) + sigmoid(0.1)) / 2, kClose);
  // c = ± λ β σ(1−σ) / 2; nothing reaches the mismatched ones
  const double slope = sigmoid(0.1) * sigmoid(-0.1);
  EXPECT_THAT(list(found.by_signal.at("logps")),
              Pointwise(DoubleNear(kClose), {slope, -slope / 2, 0.0, 0.0}));
  EXPECT_NEAR(found.metrics.at("rewards/margins").value(), -0.2, kClose);
}

TEST(WorkedExamples, KtoClampsTheDivergenceAtZero) {
  EXPECT_EQ(coefficients_of(*method("kto"), kto_batch({-0.5, 0.1})).metrics.at("kl").value(), 0);
}

TEST(WorkedExamples, KtoWorksOnOneRecord) {
  const Batch batch = kto_batch({}).slice(0, 1);
  Batch alone = batch;
  alone.totals = totals_of(batch.offsets, batch.candidates);
  // 1 − σ(0.1 · 0.2)
  EXPECT_NEAR(coefficients_of(*method("kto"), alone).loss, 1 - sigmoid(0.02), kClose);
}

/// One group of two answers with rewards 1 and 0: mean 0.5, deviation √0.5, so A = ± 0.5/(√0.5 + 1e-4).
Batch group_batch() {
  Batch batch;
  batch.offsets = {0, 2, 3};
  batch.candidates.resize(2);
  batch.candidates[0].reward = 1;
  batch.candidates[1].reward = 0;
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["old_logps"] = per_token(at::tensor({-1.0, -1.0, -1.0}, at::kDouble));
  // ratios 1, 1.5 and 0.5
  batch.signals["logps"] = per_token(at::tensor({-1.0, -1 + std::log(1.5), -1 + std::log(0.5)}, at::kDouble));
  return batch;
}

TEST(WorkedExamples, GrpoClips) {
  const auto grpo = method("grpo");
  const Coefficients found = coefficients_of(*grpo, prepared(*grpo, group_batch()));
  // first answer, A > 0: tokens min(1·A, 1·A) and min(1.5 A, 1.2 A); second, A < 0: min(−0.5 A, −0.8 A) =
  // −0.8 A
  EXPECT_NEAR(found.loss, -((1 + 1.2) / 2 - 0.8) / 2 * kAdvantage, kClose);
  // only the first token is inside: ρ A / (2 answers · 2 tokens)
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {kAdvantage / 4, 0.0, 0.0}));
  EXPECT_NEAR(found.metrics.at("clip_ratio/high_mean").value(), 1.0 / 3, kClose);
  EXPECT_NEAR(found.metrics.at("clip_ratio/low_mean").value(), 1.0 / 3, kClose);
  EXPECT_NEAR(found.metrics.at("clip_ratio/region_mean").value(), 2.0 / 3, kClose);
  EXPECT_NEAR(found.metrics.at("clip_ratio/high_max").value(), 0.5, kClose);
  EXPECT_NEAR(found.metrics.at("clip_ratio/low_min").value(), 0, kClose);
}

TEST(WorkedExamples, RelativesOfGrpoDivideDifferently) {
  // Σ over tokens of ℓ = −(1 + 1.2 − 0.8) A
  for (const std::string name : {"dapo", "bnpo"}) {
    const auto each = method(name);
    EXPECT_NEAR(loss_of(*each, prepared(*each, group_batch())), -1.4 * kAdvantage / 3, kClose) << name;
  }
  const auto dr_grpo = method("{name: dr_grpo, max_completion_length: 10}");  // A = ± 0.5
  EXPECT_NEAR(loss_of(*dr_grpo, prepared(*dr_grpo, group_batch())), -1.4 * 0.5 / (2 * 10), kClose);
}

TEST(WorkedExamples, GrpoPenalty) {
  Batch batch = group_batch();
  batch.signals["logps"] = batch.signals["old_logps"];
  batch.signals["ref_logps"] = per_token(batch.signal("logps") + std::log(2.0));
  for (Candidate& candidate : batch.candidates)
    candidate.reward = 1;  // no advantage: only the penalty is left
  const auto paper = method("{name: grpo, beta: 0.5, use_bias_correction_kl: false}");
  const Coefficients found = coefficients_of(*paper, prepared(*paper, batch));
  // k3 = 2 − ln 2 − 1 on every token; c = β (π_ref/π − 1) / (|o| G) = 0.5 / (2 · 2), 0.5 / 2
  EXPECT_NEAR(found.loss, 0.5 * (1 - std::log(2.0)), kClose);
  EXPECT_THAT(list(found.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {0.125, 0.125, 0.25}));
  // with the correction: −∂(ρ k3)/∂logp = (π_ref/π − 1) − k3 at ρ = 1
  const auto corrected = method("{name: grpo, beta: 0.5}");
  const double push = 0.5 * (1 - (1 - std::log(2.0)));
  EXPECT_THAT(list(coefficients_of(*corrected, prepared(*corrected, batch)).by_signal.at("logps")),
              Pointwise(DoubleNear(kClose), {push / 4, push / 4, push / 2}));
}

TEST(WorkedExamples, Tdpo) {
  Batch batch = one_pair({-0.4, -0.6}, {-0.5, -1.0}, {-2.0}, {-1.7});  // Δ₊ − Δ₋ = 0.8
  batch.signals["reference_kl"] = per_token(at::tensor({0.1, 0.3, 0.6}, at::kDouble));
  // TDPO2: u = 0.1 (0.8 − 0.5 (0.6 − 0.4)) = 0.07; D₊ gets no gradient, D₋ pushes −α of a token
  const Coefficients two = coefficients_of(*method("tdpo"), batch);
  EXPECT_NEAR(two.loss, std::log1p(std::exp(-0.07)), kClose);
  const double c = 0.1 * sigmoid(-0.07);
  EXPECT_THAT(list(two.by_signal.at("logps")), Pointwise(DoubleNear(kClose), {c, c, -c}));
  EXPECT_THAT(list(two.by_signal.at("reference_kl")), Pointwise(DoubleNear(kClose), {0.0, 0.0, -0.5 * c}));
  // TDPO1: u = 0.1 (0.8 − (0.6 − 0.4)) = 0.06, both sides
  const Coefficients one = coefficients_of(*method("{name: tdpo, variant: tdpo1}"), batch);
  const double d = 0.1 * sigmoid(-0.06);
  EXPECT_NEAR(one.loss, std::log1p(std::exp(-0.06)), kClose);
  EXPECT_THAT(list(one.by_signal.at("reference_kl")), Pointwise(DoubleNear(kClose), {d, d, -d}));
}

TEST(WorkedExamples, BradleyTerry) {
  Batch batch = one_pair({}, {}, {}, {});
  batch.candidates[0].margin = 0.5;
  batch.signals = {{"score", {Positions::kLast, at::tensor({2.0, 1.0}, at::kDouble)}}};
  // −log σ(2 − 1 − 0.5) + 0.01 · 9;  c₊ = σ(−0.5) − 2 · 0.01 · 3
  const Coefficients found =
      coefficients_of(*method("{name: bradley_terry, center_rewards_coefficient: 0.01}"), batch);
  EXPECT_NEAR(found.loss, std::log1p(std::exp(-0.5)) + 0.09, kClose);
  EXPECT_THAT(list(found.by_signal.at("score")),
              Pointwise(DoubleNear(kClose), {sigmoid(-0.5) - 0.06, -sigmoid(-0.5) - 0.06}));
  EXPECT_EQ(found.metrics.at("max_reward").value(), 2);
  EXPECT_EQ(found.metrics.at("accuracy").value(), 1);
}

}  // namespace
}  // namespace attune::algorithm::testing
