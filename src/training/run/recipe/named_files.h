// What a recipe names and a run would read, before anything is read.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "training/options.h"
#include "training/run/recipe/terms.h"

namespace attune::training {

/// A message about each model and each file or split of data that the recipe names and that is not there, each name
/// once.
/// @param terms its methods, with data of their own; empty where they cannot be told
std::vector<std::string> what_is_missing(const TrainRecipe& recipe, std::span<const TermSetting> terms);

/// What to say of held-out data that is trained on, "" of any other.
std::string trained_on_too(const data::DataOptions& training, const data::DataOptions& held_out);

}  // namespace attune::training
