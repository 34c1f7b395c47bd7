// Whether rows are what a recipe's methods learn from, before any model is read.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "training/options.h"
#include "training/run/recipe/terms.h"

namespace attune::training {

/// A message about each data setting whose rows cannot be read or are not what its method learns from, as a run would
/// say it. Looks at the first rows only, and at their feedback, not at their tokens; data that is not there is passed
/// over.
std::vector<std::string> rows_that_do_not_fit(const TrainRecipe& recipe, std::span<const TermSetting> terms);

}  // namespace attune::training
