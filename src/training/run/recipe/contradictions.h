// Settings of a recipe that cannot be together or have no effect, each by itself.
#pragma once

#include <functional>
#include <vector>

#include "training/options.h"
#include "training/run/recipe/objections.h"
#include "training/run/recipe/terms.h"

namespace attune::training {

/// Runs a check, which throws where it objects.
using Ask = std::function<void(const std::function<void()>&)>;

/// What needs the recipe alone, and without `terms` no method. @param ask is called with one check after the other
void each_check(const TrainRecipe& recipe, const std::vector<TermSetting>& terms, const Ask& ask);

/// Needs the shapes of the model only, so that `check` can say it, too.
/// @throws Error{kRequest}: a pattern that no parameter of the model matches
void check_parameter_groups(const TrainRecipe& recipe, const std::vector<TermSetting>& terms);

/// Names of modules and parameters, where the model is there and no adapter that is continued.
void check_names_of_modules(const TrainRecipe& recipe, const std::vector<TermSetting>& terms,
                            Objections& found);

}  // namespace attune::training
