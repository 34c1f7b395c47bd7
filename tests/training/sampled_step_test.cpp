// Rows of a file and samples of the same completions become the same step, through every pairing and every
// shape that it makes; what they leave out is counted alike.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/dataset.h"
#include "tests/training/run_fixture.h"
#include "training/step/assemble.h"
#include "training/step/sampled_step.h"

namespace attune::training {
namespace {

using record::Candidate;
using record::Example;
using record::GroupShape;

struct Case {
  std::string pairing;
  GroupShape shape;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.pairing << " " << to_text(one.shape); }

std::vector<Case> every_case() {
  std::vector<Case> cases;
  for (const auto& [name, make] : record::pairing_entries())
    for (const GroupShape shape : make()->shapes())
      if (shape != GroupShape::kSteps)  // no step of a sample has a score
        cases.push_back({std::string(name), shape});
  return cases;
}

/// A method that learns from the shape; of labels one that asks for mismatched completions as well.
std::string method_for(GroupShape shape) {
  switch (shape) {
    case GroupShape::kPairs:
      return "dpo";
    case GroupShape::kLabels:
      return "kto";
    case GroupShape::kDemonstrations:
      return "sft";
    case GroupShape::kGroups:
      return "grpo";
    case GroupShape::kSteps:
      return "prm";
    case GroupShape::kLists:
      return "plackett_luce";
  }
  return "";
}

Candidate sample(std::vector<std::int32_t> ids, double reward) {
  Candidate candidate;
  for (const std::int32_t id : ids) candidate.sampling_logps.push_back(-0.25 * id);
  candidate.completion_ids = std::move(ids);
  candidate.reward = reward;
  candidate.label = reward > 2;
  candidate.weight = 1 + reward / 8;
  candidate.finish_reason = "stop";
  candidate.scores = {{"rule", reward}};
  return candidate;
}

/// Five answers with a tie; a prompt whose answers all tie; two equal answers of different worth; one answer
/// alone; and again three, one of them twice.
std::vector<Example> samples() {
  const std::vector<std::vector<Candidate>> groups = {
      {sample({3}, 1), sample({4, 5}, 4), sample({6}, 2), sample({7, 8, 9}, 4), sample({10}, 3)},
      {sample({3, 4}, 3), sample({5}, 3)},
      {sample({6, 7}, 4), sample({6, 7}, 1)},
      {sample({8}, 3)},
      {sample({9}, 1), sample({11, 12}, 5), sample({9}, 1), sample({13}, 2)}};
  std::vector<Example> examples;
  for (const auto& group : groups) {
    Example& example = examples.emplace_back();
    example.prompt_ids = {1, 2, static_cast<std::int32_t>(examples.size())};
    example.candidates = group;
  }
  return examples;
}

void expect_equal(const Step& row, const Step& rollout) {
  ASSERT_EQ(row.size(), rollout.size());
  for (std::size_t i = 0; i < row.items.size(); ++i) {
    const data::PackItem &a = row.items[i], &b = rollout.items[i];
    EXPECT_EQ(a.ids, b.ids);
    EXPECT_EQ(a.prompt_length, b.prompt_length);
    EXPECT_EQ(a.mask, b.mask);
    EXPECT_EQ(a.group, b.group);
    EXPECT_EQ(a.table, b.table);
    EXPECT_EQ(a.scored, b.scored);
    const Candidate &x = row.candidates[i], &y = rollout.candidates[i];
    Example said_of_row, said_of_rollout;  // every field of feedback, as it is written
    said_of_row.candidates = {x};
    said_of_rollout.candidates = {y};
    EXPECT_EQ(to_json(said_of_row), to_json(said_of_rollout));
    EXPECT_EQ(x.index, y.index);
    EXPECT_EQ(x.group, y.group);
    EXPECT_EQ(x.role, y.role);
  }
  ASSERT_EQ(row.pairs.size(), rollout.pairs.size());
  for (std::size_t i = 0; i < row.pairs.size(); ++i) {
    EXPECT_EQ(row.pairs[i].chosen, rollout.pairs[i].chosen);
    EXPECT_EQ(row.pairs[i].rejected, rollout.pairs[i].rejected);
    EXPECT_EQ(row.pairs[i].weight, rollout.pairs[i].weight);
  }
  EXPECT_EQ(row.known, rollout.known);
  EXPECT_EQ(row.rows, rollout.rows);
  EXPECT_EQ(row.row_candidates, rollout.row_candidates);
}

class EveryPairing : public ::testing::TestWithParam<Case> {
 protected:
  EveryPairing() {
    std::string lines;
    for (const Example& example : examples_) lines += core::to_line(to_json(example)) + "\n";
    core::write_file_atomically(options_.path = place_.file("rows.jsonl"), lines);
  }
  fixture::RunPlace place_;
  std::vector<Example> examples_ = samples();
  data::DataOptions options_;
};

TEST_P(EveryPairing, MakesTheSameStepOfRowsAndOfRollouts) {
  const auto method = algorithm::make_method(core::parse_yaml(method_for(GetParam().shape), "test"));
  const model::Model model = fixture::tiny_model();
  const data::RowUse use(GetParam().shape,
                         record::make_pairing(core::parse_yaml(GetParam().pairing, "test")));
  const data::Dataset data = data::Dataset::open(options_, {}, use, place_.file("cache"));
  std::vector<data::TokenizedRow> rows;
  for (std::int64_t i = 0; i < data.size(); ++i) rows.push_back(data.row(i));
  ASSERT_FALSE(rows.empty());
  const std::vector<std::int64_t> numbers = {0, 1, 2, 3, 4};
  for (std::uint64_t step = 0; step < 4; ++step) {
    const record::PairingKey key{0, 0, step};
    const Step of_rows = assemble_step(rows, *method, model.config(), use, key);
    const SampledStep of_rollouts = step_of_samples(examples_, numbers, *method, model.config(), use, key);
    expect_equal(of_rows, of_rollouts.step);
    EXPECT_GT(of_rows.size(), 0);
    // Mismatched completions were not drawn from anything.
    EXPECT_EQ(of_rows.known.contains("old_logps"), method->derived() == algorithm::Derived::kNone);
    if (step > 0) continue;  // rows are counted as they are read, with the key of step 0
    EXPECT_EQ(data.summary().feedback.left_out, of_rollouts.counts.left_out);
    EXPECT_EQ(data.summary().feedback.derived, of_rollouts.counts.derived);
    EXPECT_EQ(data.summary().dropped, of_rollouts.unusable);
  }
}

INSTANTIATE_TEST_SUITE_P(Pairings, EveryPairing, ::testing::ValuesIn(every_case()), [](const auto& info) {
  return info.param.pairing + "_" + std::string(to_text(info.param.shape));
});

TEST(SampledSteps, TokensThatAreNotTrainedOnStayOut) {
  Example example;
  example.prompt_ids = {1, 2};
  example.candidates = {sample({3, 4, 5}, 1)};
  example.candidates[0].completion_mask = {1, 0, 1};
  const auto method = algorithm::make_method(core::parse_yaml("grpo", "test"));
  const std::vector<std::int64_t> numbers = {7};
  const auto made = step_of_samples(std::span(&example, 1), numbers, *method, fixture::tiny_model().config(),
                                    GroupShape::kGroups);
  ASSERT_EQ(made.step.size(), 1);
  EXPECT_EQ(made.step.offsets(), (core::Offsets{0, 2}));
  EXPECT_EQ(made.step.known.at("old_logps"), (std::vector<std::vector<double>>{{-0.75, -1.25}}));
  EXPECT_EQ(made.step.rows, (std::vector<std::int64_t>{7}));
  EXPECT_EQ(made.counts.left_out, (std::map<std::string, std::int64_t>{{"singles", 1}}));
}

}  // namespace
}  // namespace attune::training
