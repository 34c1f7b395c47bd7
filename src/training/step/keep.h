// A step with some of its candidates left out: what hooks that filter do.
#pragma once

#include <cstdint>
#include <span>

#include "training/step/step.h"

namespace attune::training {

/// Leaves these candidates, given in ascending order. A pair goes with either of its sides, a candidate with
/// the last pair that it was in; the pairs that remain of a group share its weight.
void keep_candidates(Step& step, std::span<const std::int64_t> kept);

}  // namespace attune::training
