// Methods that become each other, and facts about the signs and sizes of coefficients.
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

Batch pair_step() { return random_step(*method("tdpo"), 11, 5); }

TEST(Identities, SpecialCasesOfDpo) {
  const Batch batch = pair_step();
  for (const std::string same :
       {"{name: tdpo, alpha: 0}", "{name: dpo, label_smoothing: 0}", "{name: robust, label_smoothing: 0}",
        "{name: dpo, f_divergence_type: reverse_kl}", "{name: dpo, ld_alpha: 1}",
        "{name: dpo, f_divergence_type: alpha_divergence, f_alpha_divergence_coef: 1}"}) {
    expect_same("dpo", same, batch);
  }
}

TEST(Identities, AotOfOnePairIsDpo) {
  const Batch batch = random_step(*method("dpo"), 3, 1);
  expect_same("dpo", "aot", batch);
  expect_same("dpo", "aot_unpaired", batch);
}

TEST(Identities, BatchNormalisedIsDapo) {
  expect_same("bnpo", "dapo", random_step(*method("{name: grpo, beta: 0.1}"), 5));
}

TEST(Identities, DrGrpoIsGrpoWithoutItsDivisions) {
  // All completions of one length L: GRPO without scaling is Dr. GRPO with L_max = L.
  Batch batch = random_step(*method("grpo"), 6);
  const std::int64_t candidates = batch.size();
  batch.offsets.clear();
  for (std::int64_t i = 0; i <= candidates; ++i) batch.offsets.push_back(3 * i);
  batch.totals = totals_of(batch.offsets, batch.candidates);
  for (auto& [key, signal] : batch.signals)
    signal.numbers = at::linspace(-2, -1, 3 * candidates, at::kDouble);
  expect_same("{name: grpo, scale_rewards: none}", "{name: dr_grpo, max_completion_length: 3}", batch);
}

/// Where nothing has moved yet all of them push alike: their clips, gates and weights are 1 there.
TEST(Identities, RelativesOfGrpoAgreeOnPolicy) {
  Batch batch = random_step(*method("grpo"), 8);
  batch.signals["old_logps"] = batch.signals["logps"];
  const auto push = [&](const std::string& name) {
    return coefficients_of(*method(name), prepared(*method(name), batch)).by_signal.at("logps");
  };
  for (const auto& [one, other] :
       {std::pair("dapo", "cispo"), std::pair("dapo", "vespo"), std::pair("grpo", "sapo")})
    EXPECT_TRUE(at::allclose(push(one), push(other), 1e-12, 1e-13)) << one << " | " << other;
}

TEST(Identities, KtoWithoutAnAnchorIsApoZeroUnpaired) {
  Batch batch = random_step(*method("apo_zero_unpaired"), 9);  // no mismatched completions: z₀ = 0
  expect_same("kto", "apo_zero_unpaired", batch);
}

TEST(Identities, TwoAnswersGiveOppositeSigns) {
  // A = ± (Δr/2) / (Δr/√2 + 1e-4): nearly ± 1/√2 whatever the gap
  Batch batch;
  batch.offsets = {0, 1, 2};
  batch.candidates.resize(2);
  batch.candidates[0].reward = 7;
  batch.candidates[1].reward = 0;
  batch.signals["logps"] = batch.signals["old_logps"] = per_token(at::tensor({-1.0, -1.0}, at::kDouble));
  batch.totals = totals_of(batch.offsets, batch.candidates);
  const auto grpo = method("grpo");
  const std::vector<double> advantages = list(prepared(*grpo, batch).fixed("advantages"));
  EXPECT_NEAR(advantages[0], std::sqrt(0.5), 1e-4);
  EXPECT_EQ(advantages[0], -advantages[1]);
}

/// The coefficient of the first token of chosen and rejected in each pair.
std::vector<std::pair<double, double>> sides(const std::string& name, const Batch& batch) {
  const at::Tensor c = coefficients_of(*method(name), batch).by_signal.at("logps");
  std::vector<std::pair<double, double>> result;
  for (std::int64_t i = 0; i < batch.size(); i += 2) {
    result.emplace_back(c[batch.offsets[i]].item<double>(), c[batch.offsets[i + 1]].item<double>());
  }
  return result;
}

TEST(Signs, TranslationInvariantLossesPushBothSidesEqually) {
  for (const std::string name : {"dpo", "{name: dpo, label_smoothing: 0.1}", "robust", "hinge", "exo_pair"}) {
    for (const auto& [chosen, rejected] : sides(name, pair_step()))
      EXPECT_NEAR(chosen, -rejected, 1e-14) << name;
  }
}

TEST(Signs, AbsoluteLossesDoNot) {
  for (const std::string name : {"nca_pair", "bco_pair", "apo_zero"}) {
    double difference = 0;
    for (const auto& [chosen, rejected] : sides(name, pair_step())) difference += std::abs(chosen + rejected);
    EXPECT_GT(difference, 1e-4) << name;
  }
}

TEST(Signs, RlReduces) {
  // On-policy and without penalty, GRPO's coefficient is A / (G |o|): the survey's δ = |o| c · G is A itself.
  Batch batch = random_step(*method("grpo"), 8);
  batch.signals["old_logps"] = batch.signals["logps"];
  for (Candidate& candidate : batch.candidates) candidate.weight = 1;
  const auto grpo = method("grpo");
  batch = prepared(*grpo, batch);
  const at::Tensor c = coefficients_of(*grpo, batch).by_signal.at("logps");
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    const double length = static_cast<double>(batch.offsets[i + 1] - batch.offsets[i]);
    EXPECT_NEAR(c[batch.offsets[i]].item<double>() * length * batch.totals.candidates,
                batch.fixed("advantages")[i].item<double>(), 1e-12);
  }
}

TEST(Names, TrlSpellings) {
  EXPECT_EQ(method("{name: dpo, loss_type: ipo}")->info().name, "ipo");
  EXPECT_EQ(method("{name: dpo, loss_type: [sigmoid]}")->info().name, "dpo");
  EXPECT_EQ(method("{name: grpo, loss_type: dr_grpo}")->info().name, "dr_grpo");
  EXPECT_EQ(method("grpo")->info().name, "grpo");
  EXPECT_EQ(method("{name: sft, loss_type: dft}")->info().name, "dft");
  EXPECT_EQ(method("reward")->info().name, "bradley_terry");
}

TEST(Names, MistakesAreNamed) {
  const auto message = [](const std::string& yaml) {
    try {
      method(yaml);
    } catch (const core::Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message("dop").find("did you mean 'dpo'"), std::string::npos);
  EXPECT_NE(message("dpoo").find("did you mean 'dpo'"), std::string::npos);
  // Methods that are known and not here name their family, not what is spelt like them.
  EXPECT_NE(message("RSO").find("nearest is hinge ("), std::string::npos) << message("RSO");
  EXPECT_NE(message("nash-md").find("nearest is dpo ("), std::string::npos);
  EXPECT_NE(message("gspo").find("importance_sampling_level=sequence"), std::string::npos);
  for (const char* name : {"rso", "cdpo", "online_dpo", "xpo", "nash_md", "ppo", "a2c", "gkd"})
    EXPECT_NE(message(name), "");
  EXPECT_NE(message("{name: dpo, loss_type: ippo}").find("'ipo'"), std::string::npos);
  // A trainer that is no method here has no list of its own losses: what is near it, or all methods.
  EXPECT_NE(message("{name: ppo, loss_type: xyzzy}").find("nearest is grpo ("), std::string::npos);
  EXPECT_NE(message("{name: cpo, loss_type: xyzzy}").find("simpo"), std::string::npos);
  EXPECT_NE(message("{name: xyzzy, loss_type: plugh}").find("known are: "), std::string::npos);
  EXPECT_NE(message("{name: tdpo, loss_type: ipo}").find("write method=ipo"), std::string::npos);
  EXPECT_NE(message("{name: tdpo, loss_type: xyzzy}").find("one loss"), std::string::npos);
  EXPECT_NE(message("{name: dpo, loss_type: [sigmoid, ipo]}").find("list"), std::string::npos);
  EXPECT_NE(message("{name: dpo, betta: 1}").find("beta"), std::string::npos);
  EXPECT_NE(message("{beta: 1}").find("name"), std::string::npos);
  EXPECT_NE(message("{name: robust, label_smoothing: 0.5}").find("0.5"), std::string::npos);
  EXPECT_NE(message("{name: grpo, delta: 1.1}").find("delta"), std::string::npos);
  EXPECT_NE(message("[dpo]").find("name"), std::string::npos);
}

}  // namespace
}  // namespace attune::algorithm::testing
