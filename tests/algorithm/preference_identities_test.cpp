// Methods on pairs and lists that become each other, and where they come to rest.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

/// Pairs with ranks and rewards, which list methods read as lists of two.
Batch pairs() { return random_step(*method("dpo"), 21, 6); }

/// The same with one token an answer.
Batch single_tokens() {
  Batch batch = pairs();
  for (std::int64_t i = 0; i <= batch.size(); ++i) batch.offsets[i] = i;
  for (auto& [key, signal] : batch.signals) signal.numbers = signal.numbers.slice(0, 0, batch.size());
  batch.totals = totals_of(batch.offsets, batch.candidates);
  return batch;
}

TEST(PreferenceIdentities, NeutralSettingsAreDpo) {
  for (const std::string same :
       {"{name: dpop, beta: 0.1, lambda: 0}", "{name: dpop, beta: 0.1, lambda: 0, lambda_inside: false}",
        "{name: rdpo, alpha: 0}", "{name: odpo, alpha: 0}", "plackett_luce",
        "{name: lipo, weighting: uniform}", "{name: infonca, alpha: 0.001}"})
    expect_same("dpo", same, pairs());
}

TEST(PreferenceIdentities, WithoutAReferenceEachBecomesTheNext) {
  expect_same("{name: dpo, reference_free: true}", "{name: cpo, cpo_alpha: 0}", pairs());
  expect_same("{name: hinge, reference_free: true}", "{name: cpo_hinge, cpo_alpha: 0}", pairs());
  expect_same("{name: hinge, reference_free: true, beta: 1}", "{name: slic, lambda: 0}", pairs());
  expect_same("{name: ipo, reference_free: true}", "{name: cpo_ipo, cpo_alpha: 0}", pairs());
  expect_same("{name: simpo, beta: 0.1, gamma: 0}", "{name: cpo, cpo_alpha: 0}", single_tokens());
  expect_same("{name: simpo, beta: 3, gamma: 0.7}", "{name: cpo_simpo, beta: 3, gamma: 0.7, cpo_alpha: 0}",
              pairs());
  expect_same("{name: simpo, beta: 3, gamma: 0.7}", "{name: alphapo, beta: 3, gamma: 0.7, alpha: 0}",
              pairs());
  expect_same("{name: cpo, loss_type: simpo, cpo_alpha: 0, simpo_gamma: 0.3}",
              "{name: simpo, beta: 0.1, gamma: 0.3}", pairs());
}

TEST(PreferenceIdentities, CpoIsDpoWithoutAReferenceAndSft) {
  const Batch batch = pairs();
  const auto cpo = method("cpo"), dpo = method("{name: cpo, cpo_alpha: 0}");
  // The rest is the mean over chosen tokens of weight · −log π.
  double nll = 0, tokens = 0;
  for (const Pair& pair : batch.pairs) {
    const auto [first, count] = batch.rows_of(static_cast<std::int64_t>(pair.chosen), Positions::kTokens);
    nll -= batch.candidates[pair.chosen].weight *
           batch.signal("logps").slice(0, first, first + count).sum().item<double>();
    tokens += static_cast<double>(count);
  }
  EXPECT_NEAR(loss_of(*cpo, prepared(*cpo, batch)), loss_of(*dpo, prepared(*dpo, batch)) + nll / tokens,
              1e-12);
}

TEST(PreferenceIdentities, TwoCandidatesMakeAPair) {
  expect_same("{name: nca_pair, beta: 0.4}", "{name: nca, beta: 0.4, alpha: 0.001}", pairs());
  Batch odds = pairs();  // what the rewards ask for is 0.999 against 0.001
  for (std::int64_t i = 0; i < odds.size(); ++i) odds.candidates[i].reward = i % 2 == 0 ? std::log(999) : 0;
  expect_same("{name: exo_pair, label_smoothing: 0.001}", "exo", odds);
  expect_same("lire", "{name: slic, variant: reward, lambda: 0}", pairs());
  Batch apart = pairs();  // rewards 1.5 apart
  for (std::int64_t i = 0; i < apart.size(); ++i) apart.candidates[i].reward = i % 2 == 0 ? 1.5 : 0;
  expect_same("{name: pro, sft_weight: 0}", "{name: simpo, beta: 1.5, gamma: 0}", apart);
}

TEST(PreferenceIdentities, RrhfIsAHingeWithoutMargin) {
  const Batch batch = pairs();
  const auto rrhf = method("{name: rrhf, sft_weight: 0}");
  double expected = 0;
  for (const Pair& pair : batch.pairs) {
    const auto mean = [&](std::size_t i) {
      const auto [first, count] = batch.rows_of(static_cast<std::int64_t>(i), Positions::kTokens);
      return batch.signal("logps").slice(0, first, first + count).mean().item<double>();
    };
    expected += batch.candidates[pair.chosen].weight *
                std::max(0.0, mean(pair.rejected) - mean(pair.chosen)) / batch.totals.groups;
  }
  EXPECT_NEAR(loss_of(*rrhf, batch), expected, 1e-12);
}

TEST(PreferenceIdentities, RelativeListsPushInBalance) {
  const Batch batch = random_step(*method("plackett_luce"), 23, 4);
  for (const std::string name : {"plackett_luce", "lipo", "lire", "infonca", "vcb"}) {
    const auto of = method(name);
    const at::Tensor c = coefficients_of(*of, batch).by_signal.at("logps");
    for (std::int64_t first = 0; first < batch.size(); first += 4) {
      double sum = 0;  // every token of an answer has the same coefficient
      for (std::int64_t i = first; i < first + 4; ++i) sum += c[batch.offsets[i]].item<double>();
      EXPECT_NEAR(sum, 0, 1e-12) << name;
    }
  }
}

TEST(PreferenceIdentities, LengthCostsMoreWithAlpha) {
  // The longer chosen answer is pushed up less, the shorter one more: what is learnt is shorter.
  const auto push = [](const std::string& alpha, const Batch& batch) {
    return coefficients_of(*method("{name: rdpo, alpha: " + alpha + "}"), batch)
        .by_signal.at("logps")[0]
        .item<double>();
  };
  const Batch longer = one_pair({-1, -1, -1}, {-1, -1, -1}, {-1}, {-1}),
              shorter = one_pair({-1}, {-1}, {-1, -1, -1}, {-1, -1, -1});
  EXPECT_LT(push("0.5", longer), push("0", longer));
  EXPECT_GT(push("0.5", shorter), push("0", shorter));
}

/// A bandit of three arms whose policy is learned by `name` from all of them: its probabilities at rest.
std::vector<double> learned(const std::string& name, const std::vector<double>& reference,
                            const std::vector<double>& rewards, double rate) {
  const auto of = method(name);
  Batch batch;
  batch.offsets = {0, 1, 2, 3};
  batch.candidates.resize(3);
  for (int i = 0; i < 3; ++i) batch.candidates[i].reward = rewards[i];
  batch.totals = totals_of(batch.offsets, batch.candidates);
  const at::Tensor ref = at::tensor(reference, at::kDouble).log();
  batch.signals["ref_logps"] = per_token(ref);
  at::Tensor z = ref.clone();
  for (int step = 0; step < 2000; ++step) {
    batch.signals["logps"] = per_token(z.log_softmax(0));
    const at::Tensor c = coefficients_of(*of, batch).by_signal.at("logps");
    z = z + rate * (c - z.softmax(0) * c.sum());
  }
  return list(z.softmax(0));
}

TEST(PreferenceIdentities, ListsOfABanditRestAtTheOptimumOfRlhf) {
  const std::vector<double> reference = {0.5, 0.3, 0.2}, rewards = {0.2, 1, 0.6};
  for (const double strength : {0.5, 2.0}) {
    std::vector<double> best;
    double sum = 0;
    for (int i = 0; i < 3; ++i) best.push_back(reference[i] * std::exp(rewards[i] / strength));
    for (const double b : best) sum += b;
    const std::string value = std::to_string(strength);
    const std::vector<double> vcb = learned("{name: vcb, lambda: " + value + "}", reference, rewards, 0.1);
    // InfoNCA with α = 1 rests where β log π/π_ref = r + const
    const std::vector<double> infonca =
        learned("{name: infonca, alpha: 1, beta: " + value + "}", reference, rewards, 1);
    for (int i = 0; i < 3; ++i) {
      EXPECT_NEAR(vcb[i], best[i] / sum, 1e-3);
      EXPECT_NEAR(infonca[i], best[i] / sum, 1e-3);
    }
  }
}

TEST(PreferenceIdentities, NamesOfTrl) {
  for (const auto& [trl, ours] :
       {std::pair("cpo", "cpo"), std::pair("{name: cpo, loss_type: sigmoid}", "cpo"),
        std::pair("{name: cpo, loss_type: hinge}", "cpo_hinge"),
        std::pair("{name: cpo, loss_type: ipo}", "cpo_ipo"),
        std::pair("{name: cpo, loss_type: simpo}", "cpo_simpo"),
        std::pair("{name: cpo, loss_type: alphapo}", "alphapo"), std::pair("orpo", "orpo")})
    EXPECT_EQ(method(trl)->info().name, ours);
}

}  // namespace
}  // namespace attune::algorithm::testing
