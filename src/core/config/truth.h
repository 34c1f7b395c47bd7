// Whether a setting says yes or no, in every spelling that YAML 1.1, argparse and transformers take.
#pragma once

#include <optional>

#include "core/config/value.h"

namespace attune::core {

/// true, yes, on, t, y, 1 and false, no, off, f, n, 0, in any case, also in quotes; nothing for all else.
std::optional<bool> truth_of(const Value& value);

}  // namespace attune::core
