// One training run from recipe to result: what `attune train` does, for other commands to call as well.
#pragma once

#include <functional>
#include <string>

#include "core/json.h"
#include "training/options.h"
#include "training/observer.h"

namespace attune::training {

struct RunResult {
  std::string folder, model_folder;
  std::int64_t updates = 0;
};

/// Runs (or continues) the recipe. Everything that can be refused is refused before OUTPUT is created.
/// @throws core::Error; OUTPUT/run.json then says "failed" (or "running" after an interrupt) with the reason.
RunResult run_training(TrainRecipe recipe, const Observer& observer);

}  // namespace attune::training
