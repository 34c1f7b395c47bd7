// What a training run will take, from sizes alone: for `attune check`.
#pragma once

#include <vector>

#include "cli/check/check_data.h"
#include "core/json.h"
#include "model/config.h"
#include "training/run/recipe/terms.h"

namespace attune::cli {

/// {"parameters", "trained", "memory_mb", "steps", "seconds"}: the peak of memory, within some 15 % of what
/// peak_rss_mb will say, and the time of all updates, an order of magnitude.
core::Json estimate_training(const training::TrainRecipe& recipe,
                             const std::vector<training::TermSetting>& terms,
                             const model::ModelConfig& config, const DataCheck& data);

}  // namespace attune::cli
