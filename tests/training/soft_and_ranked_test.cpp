// Soft labels, and rankings whose completions are computed once whatever pairs are read off them.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/training/step_fixture.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

std::unique_ptr<algorithm::Method> method(const std::string& name) {
  return algorithm::make_method(core::Value::scalar(name, false, "test"));
}

data::RowUse paired(const std::string& pairing) {
  return {record::GroupShape::kPairs, record::make_pairing(core::Value::scalar(pairing, false, "test"))};
}

struct Result {
  double loss;
  fixture::Gradients gradients;
  std::int64_t computed;
};

Result compute(model::Model& model, const model::Model& reference, const Step& step,
               const algorithm::Method& method, std::int64_t budget = 1 << 20) {
  model.trainable();
  const Engine engine(model, {&reference}, {.micro_batch_tokens = budget});
  algorithm::State state;
  const auto result = engine.run(step, method, state);
  return {result.loss, fixture::take_gradients(model), result.computed_tokens};
}

TEST(SoftLabels, MixTheLossesOfBothOrders) {
  auto model = fixture::tiny_model(1);
  const auto start = fixture::tiny_model(2);
  const auto rows = fixture::random_rows(3, 2, 5);
  for (const char* name : {"dpo", "ipo", "bradley_terry"}) {
    const auto loss = method(name);
    if (std::string(name) == "bradley_terry") model.add_head("score", 9);
    auto hard = fixture::views(rows);
    auto soft = hard, turned = hard;
    for (auto& row : soft) row.candidates[0].said.preference = 0.7;
    for (auto& row : turned) std::swap(row.candidates[0].said.rank, row.candidates[1].said.rank);
    for (auto* views : {&hard, &soft, &turned})
      for (auto& row : *views)
        for (auto& candidate : row.candidates) candidate.said.reward.reset();
    const auto step = [&](const auto& views) {
      return assemble_step(views, *loss, model.config(), loss->shape());
    };
    const auto one = compute(model, start, step(hard), *loss),
               other = compute(model, start, step(turned), *loss),
               mixed = compute(model, start, step(soft), *loss);
    EXPECT_NE(mixed.loss, one.loss) << name;
    EXPECT_NEAR(mixed.loss, 0.7 * one.loss + 0.3 * other.loss, 1e-12) << name;
    fixture::Gradients expected;
    for (const auto& [key, gradient] : one.gradients)
      expected[key] = 0.7 * gradient + 0.3 * other.gradients.at(key);
    EXPECT_LT(fixture::distance(expected, mixed.gradients), 1e-12) << name;
  }
}

TEST(Rankings, AreComputedOnceWhateverPairsAreReadOffThem) {
  auto model = fixture::tiny_model(1);
  const auto start = fixture::tiny_model(2);
  const auto rows = fixture::random_rows(3, 4, 7);
  const auto views = fixture::views(rows);
  const auto dpo = method("dpo"), sft = method("sft");
  const Step ranked = assemble_step(views, *dpo, model.config(), paired("all"));
  ASSERT_EQ(ranked.size(), 12);
  ASSERT_EQ(ranked.pairs.size(), 3U * 6U);
  // As many tokens as imitating every candidate takes.
  auto accepted = views;
  for (auto& row : accepted)
    for (auto& candidate : row.candidates) candidate.said = {};
  const Step imitated = assemble_step(accepted, *sft, model.config(), record::GroupShape::kDemonstrations);
  ASSERT_EQ(imitated.size(), 12);
  const auto together = compute(model, start, ranked, *dpo);
  EXPECT_EQ(together.computed, compute(model, start, imitated, *sft).computed);
  EXPECT_NEAR(compute(model, start, ranked, *dpo, 9).loss, together.loss,
              1e-12);  // groups split over micro-batches

  // The mean over a prompt's pairs, then over prompts, pair by pair.
  double mean = 0;
  fixture::Gradients gradients;
  for (std::size_t r = 0; r < views.size(); ++r)
    for (std::size_t a = 0; a < 4; ++a)
      for (std::size_t b = a + 1; b < 4; ++b) {
        data::TokenizedRow pair = views[r];
        pair.candidates = {views[r].candidates[a], views[r].candidates[b]};
        const std::vector<data::TokenizedRow> alone = {pair};
        const auto one =
            compute(model, start, assemble_step(alone, *dpo, model.config(), dpo->shape()), *dpo);
        mean += one.loss / 18;
        for (const auto& [key, gradient] : one.gradients) {
          auto& sum = gradients[key];
          sum = sum.defined() ? sum + gradient / 18 : gradient / 18;
        }
      }
  EXPECT_NEAR(together.loss, mean, 1e-12);
  EXPECT_LT(fixture::distance(gradients, together.gradients), 1e-10);
}

TEST(Rankings, APromptCountsAsMuchAsAnotherHoweverManyPairsItHas) {
  // Two completions and four: one pair beside six. The loss is (l + (l₁ + … + l₆) / 6) / 2 and not the mean of
  // the seven.
  auto model = fixture::tiny_model(1);
  const auto start = fixture::tiny_model(2);
  const auto few = fixture::random_rows(1, 2, 3);
  auto many = fixture::random_rows(1, 4, 11);
  many[0].index = 1;
  auto views = fixture::views(few);
  views.push_back(fixture::views(many).front());
  const auto dpo = method("dpo");
  const auto loss_of = [&](const data::TokenizedRow& row, std::size_t a, std::size_t b) {
    data::TokenizedRow pair = row;
    pair.candidates = {row.candidates[a], row.candidates[b]};
    const std::vector<data::TokenizedRow> alone = {pair};
    return compute(model, start, assemble_step(alone, *dpo, model.config(), dpo->shape()), *dpo).loss;
  };
  const double one = loss_of(views[0], 0, 1);
  double six = 0;
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t b = a + 1; b < 4; ++b) six += loss_of(views[1], a, b) / 6;
  const Step step = assemble_step(views, *dpo, model.config(), paired("all"));
  ASSERT_EQ(step.pairs.size(), 7U);
  const double loss = compute(model, start, step, *dpo).loss;
  EXPECT_NEAR(loss, (one + six) / 2, 1e-12);
  EXPECT_GT(std::abs(loss - (one + 6 * six) / 7), 1e-4);
  EXPECT_NEAR(compute(model, start, step, *dpo, 9).loss, loss, 1e-12);
}

}  // namespace
}  // namespace attune::training
