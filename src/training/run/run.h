// One training run from recipe to result: what `attune train` does, for other commands to call as well.
#pragma once

#include <functional>
#include <string>

#include "core/json.h"
#include "training/options.h"
#include "training/trainer.h"

namespace attune::training {

struct RunObserver {
  std::function<void(const std::string& line)> on_message;  ///< "12,000 pairs, 3 dropped …", for people
  std::function<void(const core::Json& row)> on_row;
  std::function<void(std::int64_t update, std::int64_t total, const std::string& text)> on_update;
  std::function<bool()> interrupted;
  /// The result is published and all is written; what this writes belongs to the run, which is finished after
  /// it.
  std::function<void(const std::string& folder)> on_result;
};

struct RunResult {
  std::string folder, model_folder;
  std::int64_t updates = 0;
};

/// Runs (or continues) the recipe. Everything that can be refused is refused before OUTPUT is created.
/// @throws core::Error; OUTPUT/run.json then says "failed" (or "running" after an interrupt) with the reason.
RunResult run_training(TrainRecipe recipe, const RunObserver& observer);

}  // namespace attune::training
