// TRL's sum of losses, {name: dpo, loss_type: [sigmoid, sft], loss_weights: [0.8, 1]}, as our list of
// methods.
#pragma once

#include "core/config/value.h"

namespace attune::training {

/// A recipe's `method` in which every entry is one method: several loss types become a list of {name,
/// loss_type, weight, …}, each with those of the options that its method has; all else stays as it is.
/// @throws Error{kRequest}: weights that do not belong to the losses
core::Value losses_apart(const core::Value& method);

}  // namespace attune::training
