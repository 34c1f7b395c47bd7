// Gradients of several processes, brought together before an update.
#pragma once

#include <span>

#include "model/model.h"
#include "training/processes.h"

namespace attune::training {

/// Gives every parameter the sum of what the processes hold in its .grad: the same bytes on all of them.
/// Where some hold none it counts as zeros; where none does it stays absent. Half-precision gradients are
/// added up in float32.
void sum_gradients(std::span<const model::Parameter> parameters, const Processes& processes);

}  // namespace attune::training
