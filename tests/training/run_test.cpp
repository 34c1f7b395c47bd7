// A run from recipe to result in this process: training, evaluation, hooks, a cached reference, two terms, an
// interrupt and the way on from its checkpoint.
#include "training/run/run.h"

#include <gtest/gtest.h>

#include "tests/training/run_fixture.h"

namespace attune::training {
namespace {

using fixture::recipe_of;
using fixture::RunPlace;

class WholeRun : public ::testing::Test {
 protected:
  WholeRun() {
    const std::string pairs = place_.write_records("pairs.jsonl", 12, 3),
                      held_out = place_.write_records("eval.jsonl", 4, 4);
    const std::string texts = place_.write_records("texts.jsonl", 9, 5, /*demonstrations=*/true);
    common_ =
        "model: " + place_.file("model") + "\ndata: " + pairs + "\neval: {data: " + held_out +
        "}\ntraining: {batch_size: 4, epochs: 2, save_steps: 2, learning_rate: 1.0e-2, ema_decay: 0.5}\n"
        "samples: {prompts: 1, max_new_tokens: 4}\n" +
        "method: [{name: dpo}, {name: sft, weight: 0.5, data: " + texts + "}]\n";
  }
  TrainRecipe recipe(const std::string& output, const std::string& more) const {
    return recipe_of(common_ + more + "\noutput: " + place_.file(output) + "\n");
  }
  RunPlace place_;
  std::string common_;
};

TEST_F(WholeRun, InterruptedAndContinuedIsUninterrupted) {
  for (const std::string more :
       {"adapter: {type: lora, rank: 2, target_modules: all-linear}", "reference: {cache: true}"}) {
    const std::string name = more.substr(0, 5);
    const auto whole = run_training(recipe(name + "-whole", more), {});
    EXPECT_EQ(whole.updates, 6);
    std::int64_t seen = 0;
    Observer observer;
    observer.on_update = [&](std::int64_t update, const std::string&, std::int64_t) { seen = update; };
    observer.interrupted = [&] { return seen == 3; };
    try {
      run_training(recipe(name + "-parts", more), observer);
      ADD_FAILURE() << "the interrupt was not heeded";
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kInterrupted) << error.what();
    }
    EXPECT_EQ(seen, 3);
    const auto rest = run_training(recipe(name + "-parts", more), {});
    EXPECT_EQ(rest.updates, 6);
    EXPECT_EQ(fixture::comparable_metrics(whole.folder), fixture::comparable_metrics(rest.folder)) << more;
    EXPECT_EQ(fixture::bytes_below(whole.model_folder), fixture::bytes_below(rest.model_folder)) << more;
    EXPECT_EQ(core::read_file(whole.folder + "/samples.jsonl"),
              core::read_file(rest.folder + "/samples.jsonl"));
  }
}

TEST_F(WholeRun, LearnsWhatItIsShown) {
  const auto run = run_training(recipe("learns", "hooks: []"), {});
  const std::vector<double> losses = fixture::logged(run.folder, "loss");
  ASSERT_EQ(losses.size(), 6U);
  // DPO starts at log 2, and half of an untrained model's log-likelihood of 23 tokens is added to it.
  EXPECT_NEAR(losses.front(), std::log(2.0) + 0.5 * std::log(23.0), 0.05);
  EXPECT_LT(losses.back(), losses.front() - 0.02);
}

TEST_F(WholeRun, HooksAreAskedForByName) {
  EXPECT_THROW(run_training(recipe("bad", "hooks: [weight_averages]"), {}), core::Error);
  EXPECT_FALSE(core::fs::exists(place_.file("bad")));
  const auto by_setting = run_training(recipe("setting", ""), {});
  std::string without = common_;
  without.replace(without.find(", ema_decay: 0.5"), 16, "");
  const auto by_name = run_training(
      recipe_of(without + "hooks: [{name: weight_average, decay: 0.5}]\noutput: " + place_.file("name") +
                "\n"),
      {});
  EXPECT_EQ(fixture::bytes_below(by_setting.model_folder), fixture::bytes_below(by_name.model_folder));
}

}  // namespace
}  // namespace attune::training
