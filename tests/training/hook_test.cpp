// All that a hook may do, by the double zz_hook (tests/doubles/training/hook), in whole runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/training/run_fixture.h"
#include "training/hook.h"
#include "training/run/run.h"
#include "training/step/keep.h"

namespace attune::training {
namespace {

using fixture::recipe_of;
using ::testing::HasSubstr;

struct Killed {};

class HookSeam : public ::testing::Test {
 protected:
  /// Pairs in the order of the file, several updates.
  TrainRecipe recipe(const std::string& output, const std::string& training, const std::string& more) const {
    return recipe_of("model: " + place_.file("model") + "\ndata: " + pairs_ + "\nmethod: dpo\n" +
                     "training: {learning_rate: 1.0e-2, schedule: constant, shuffle: false, " + training +
                     "}\nsamples: {prompts: 0}\n" + more + "\noutput: " + place_.file(output) + "\n");
  }
  RunResult run(const std::string& output, const std::string& training, const std::string& more,
                std::int64_t kill_after = -1) const {
    Observer observer;
    observer.on_update = [&](std::int64_t update, const std::string&, std::int64_t) {
      if (update == kill_after) throw Killed();
    };
    return run_training(recipe(output, training, more), observer);
  }
  fixture::RunPlace place_;
  std::string pairs_ = place_.write_records("pairs.jsonl", 12, 3);
};

constexpr const char* kFollows =
    "hooks: [{name: zz_hook, drop: 3, metric: rewards/margins, publish_first: true}]";

TEST_F(HookSeam, AHookGoesOnAfterAKillAsIfThereHadBeenNone) {
  const std::string training = "batch_size: 4, epochs: 3, save_steps: 2";
  const auto whole = run("whole", training, kFollows);
  EXPECT_EQ(whole.updates, 9);
  EXPECT_THROW(run("parts", training, kFollows, 5), Killed);
  const auto rest = run("parts", training, kFollows);
  EXPECT_EQ(rest.updates, 9);
  EXPECT_EQ(fixture::comparable_metrics(whole.folder), fixture::comparable_metrics(rest.folder));
  EXPECT_EQ(fixture::bytes_below(whole.model_folder), fixture::bytes_below(rest.model_folder));
  // What it remembers matters: a run whose weights do not follow the metric has other losses from the second
  // update on, and the same first one.
  const auto still = run("still", training, "hooks: [{name: zz_hook, drop: 3, publish_first: true}]");
  const auto follows = fixture::logged(whole.folder, "loss"), stays = fixture::logged(still.folder, "loss");
  EXPECT_EQ(follows[0], stays[0]);
  EXPECT_NE(follows[1], stays[1]);
}

TEST_F(HookSeam, ACheckpointWithoutItsTensorsIsRefused) {
  EXPECT_THROW(run("bare", "batch_size: 4, epochs: 1, save_steps: 1", "", 2), Killed);
  auto resumed = recipe("bare", "batch_size: 4, epochs: 1, save_steps: 1", "hooks: [zz_hook]");
  try {
    run_training(resumed, {});
    FAIL() << "went on";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2) << error.what();
  }
}

TEST_F(HookSeam, DroppedGroupsAreAsIfTheyWereNotInTheData) {
  // Rows 0, 3, 6, 9 of 12 in one batch, against the other eight in a file of their own.
  std::string rest;
  std::istringstream lines(core::read_file(pairs_));
  std::string line;
  for (int row = 0; std::getline(lines, line); ++row)
    if (row % 3 != 0) rest += line + "\n";
  const auto dropped = run("dropped", "batch_size: 12, max_steps: 3", "hooks: [{name: zz_hook, drop: 3}]");
  core::write_file_atomically(pairs_, rest);
  const auto without = run("without", "batch_size: 8, max_steps: 3", "");
  EXPECT_EQ(fixture::logged(dropped.folder, "loss"), fixture::logged(without.folder, "loss"));
  EXPECT_EQ(fixture::bytes_below(dropped.model_folder), fixture::bytes_below(without.model_folder));
}

TEST_F(HookSeam, WhatIsExchangedIsPublishedAndTrainingGoesOnWithItsOwn) {
  const auto held =
      run("held", "batch_size: 4, max_steps: 3", "hooks: [{name: zz_hook, publish_first: true}]");
  const auto plain = run("plain", "batch_size: 4, max_steps: 3", "");
  const auto first = run("first", "batch_size: 4, max_steps: 1", "");
  EXPECT_EQ(fixture::comparable_metrics(held.folder), fixture::comparable_metrics(plain.folder));
  EXPECT_EQ(fixture::bytes_below(held.model_folder), fixture::bytes_below(first.model_folder));
  EXPECT_NE(fixture::bytes_below(held.model_folder), fixture::bytes_below(plain.model_folder));
}

TEST_F(HookSeam, AMovingReferenceIsItsToMove) {
  const auto moved = run("moved", "batch_size: 4, max_steps: 3", "reference: {sync: true}\nhooks: [zz_hook]");
  const auto ours =
      run("ours", "batch_size: 4, max_steps: 3", "reference: {sync: true, sync_steps: 1, mixup_alpha: 0.5}");
  EXPECT_EQ(fixture::comparable_metrics(moved.folder), fixture::comparable_metrics(ours.folder));
  EXPECT_NE(fixture::logged(moved.folder, "loss"),
            fixture::logged(run("none", "batch_size: 4, max_steps: 3", "").folder, "loss"));
}

TEST_F(HookSeam, ASettingMayAskForItAndItMayRefuse) {
  const auto names = [&](const std::string& more) {
    std::vector<std::string> names;
    for (const auto& hook : make_hooks(recipe("x", "batch_size: 4", more)))
      names.push_back(hook->info().name);
    return names;
  };
  EXPECT_THAT(names("seed: 4711"), ::testing::ElementsAre("zz_hook"));
  EXPECT_THAT(names("seed: 4712"), ::testing::IsEmpty());
  try {
    names("hooks: [{name: zz_hook, drop: 1}]");
    FAIL() << "accepted";
  } catch (const core::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("leaves nothing"));
  }
}

TEST(Steps, KeepLeavesPairsWhoseBothSidesStay) {
  // Two prompts with three completions each, all pairs: 3 + 3. Without the best of the first prompt one pair
  // of it is left, with the whole weight; without two of the second none, and its last candidate goes too.
  const auto method = algorithm::make_method(core::parse_yaml("dpo", "test"));
  const auto model = fixture::tiny_model();
  const auto rows = fixture::random_rows(2, 3, 5);
  Step step =
      assemble_step(fixture::views(rows), *method, model.config(),
                    {record::GroupShape::kPairs, record::make_pairing(core::parse_yaml("all", "test"))});
  ASSERT_EQ(step.pairs.size(), 6U);
  step.known["ref_logps"] = {{1}, {2}, {3}, {4}, {5}, {6}};
  const auto ids = step.items[2].ids;
  const std::vector<std::int64_t> kept = {1, 2, 5};
  keep_candidates(step, kept);
  ASSERT_EQ(step.size(), 2);
  ASSERT_EQ(step.pairs.size(), 1U);
  EXPECT_EQ(step.pairs[0].chosen, 0U);
  EXPECT_EQ(step.pairs[0].rejected, 1U);
  EXPECT_EQ(step.pairs[0].weight, 1);
  EXPECT_EQ(step.items[1].ids, ids);
  EXPECT_EQ(step.known["ref_logps"], (std::vector<std::vector<double>>{{2}, {3}}));
  EXPECT_THAT(step.rows, ::testing::ElementsAre(0, 0));
  EXPECT_EQ(step.row_candidates.size(), 2U);
}

}  // namespace
}  // namespace attune::training
