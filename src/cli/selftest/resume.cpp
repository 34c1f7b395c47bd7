// A training run that is interrupted and continued gives the same metrics and the same bytes as one that is
// not.
#include "cli/selftest_check.h"
#include "core/error.h"
#include "core/files/files.h"
#include "training/run/run.h"

namespace attune::cli {
namespace {

constexpr std::int64_t kUpdates = 6, kBreak = 3;

training::TrainRecipe recipe_of(const SelftestBench& bench, const std::string& output) {
  training::TrainRecipe recipe;
  const auto text = [](const std::string& value) { return core::Value::scalar(value, true, "selftest"); };
  recipe.model.path = bench.model_folder;
  recipe.data = text(bench.pairs);
  recipe.method = text("dpo");
  recipe.training.batch_size = 4;
  recipe.training.max_steps = kUpdates;
  recipe.training.learning_rate = 1e-3;
  recipe.samples.prompts = 0;
  recipe.output = output;
  recipe.seed = bench.compute.seed;
  return recipe;
}

/// What a run logged, without what a clock or the machine says.
std::vector<core::Json> train(const training::TrainRecipe& recipe, std::int64_t stop_after) {
  std::int64_t seen = 0;
  std::vector<core::Json> rows;
  training::Observer observer;
  observer.on_row = [&](const core::Json& row) {
    core::Json kept = row;
    for (const char* key : {"tokens_per_second", "step_seconds", "peak_rss_mb"}) kept.erase(key);
    rows.push_back(std::move(kept));
    ++seen;
  };
  observer.interrupted = [&] { return stop_after > 0 && seen >= stop_after; };
  try {
    training::run_training(recipe, observer);
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kInterrupted) throw;
  }
  return rows;
}

class Resume : public SelftestCheck {
 public:
  std::string title() const override { return "resumed = uninterrupted"; }

  SelftestResult run(const SelftestBench& bench) const override {
    const auto whole = recipe_of(bench, bench.scratch + "/whole"),
               broken = recipe_of(bench, bench.scratch + "/broken");
    const auto expected = train(whole, 0);
    auto rows = train(broken, kBreak);
    const std::size_t before = rows.size();
    for (auto& row : train(broken, 0)) rows.push_back(std::move(row));
    const auto weights = [](const training::TrainRecipe& recipe) {
      return core::read_file(recipe.output + "/model/model.safetensors");
    };
    const bool halves = before > 0 && before < rows.size(), metrics = rows == expected,
               bytes = weights(whole) == weights(broken);
    return {halves && metrics && bytes,
            fmt::format("{} updates of dpo, stopped after {} and continued: {} metrics, {} weights", kUpdates,
                        before, metrics ? "equal" : "different", bytes ? "equal" : "different"),
            {{"metrics_equal", metrics}, {"weights_equal", bytes}}};
  }
};

}  // namespace

std::unique_ptr<SelftestCheck> selftest_resume() { return std::make_unique<Resume>(); }

}  // namespace attune::cli
