// A recipe with every choice made that its author left open, and as the run folder keeps it.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "training/options.h"
#include "training/run/recipe/terms.h"

namespace attune::training {

/// Everything about a recipe that cannot be together or has no effect, as far as the recipe alone tells.
/// @param complete what a run needs is asked for, too
/// @param refused something else is refused already: where anything is, what is wrong with the rows is said, too
std::vector<std::string> objections_to(TrainRecipe recipe, bool complete, bool refused);

/// Fills in what follows from the method (learning rate), the model (adapter of an adapter folder), the
/// machine (tokens of a micro-batch) and an unfinished run of the same OUTPUT; checks settings against each
/// other.
/// @throws Error{kRequest}: settings that contradict each other or would have no effect
void resolve(TrainRecipe& recipe, const std::vector<TermSetting>& terms);

/// Every setting as it is understood: `attune train OUTPUT/recipe.yaml output=NEW` repeats the run from any
/// folder, so files are named in full. How OUTPUT is to be treated (resume, overwrite) is said anew each
/// time.
core::Json resolved_json(TrainRecipe& recipe, const std::vector<TermSetting>& terms);

}  // namespace attune::training
