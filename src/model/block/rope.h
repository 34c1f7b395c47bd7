// Rotary frequencies by kind (formats.md §3).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/transformer.h"

namespace attune::model {

/// Inverse frequencies [dims / 2], float32. @param table as ModelConfig::table_of gives it (for kDynamic the
/// length).
at::Tensor rope_frequencies(const RopeConfig& rope, std::int64_t max_positions, std::int32_t table);

}  // namespace attune::model
