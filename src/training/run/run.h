// One training run from recipe to result: what `attune train` does, for other commands to call as well.
#pragma once

#include <functional>
#include <string>

#include "core/json.h"
#include "training/observer.h"
#include "training/options.h"
#include "training/processes.h"

namespace attune::training {

struct RunResult {
  std::string folder, model_folder;
  std::int64_t updates = 0;
  bool leads = true;  ///< false: another process wrote the folder
};

/// Runs (or continues) the recipe. Everything that can be refused is refused before OUTPUT is created.
/// @throws core::Error; OUTPUT/run.json then says "failed" (or "running" after an interrupt) with the reason.
/// @param processes that train together, all with the same recipe. One writes the run; the others
/// should have no observer but `interrupted`, which all of them need or none. Returns when the run is
/// written.
RunResult run_training(TrainRecipe recipe, const Observer& observer, Processes processes = {});

/// Goes through all that a run of the recipe does before it trains, without changing anything at OUTPUT.
/// @param recipe complete, settled and resolved
/// @return the checkpoint that the run would continue from, "" for none
/// @throws Error{kRequest} as run_training would: OUTPUT must not be touched or cannot be written, or data,
/// model or tokens are not those that the run there began with
std::string rehearse_training(const TrainRecipe& recipe);

}  // namespace attune::training
