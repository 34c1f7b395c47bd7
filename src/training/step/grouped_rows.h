// The step of rows whose candidates are grouped already, wherever they come from.
#pragma once

#include <span>

#include "algorithm/method.h"
#include "data/tokenized_row.h"
#include "model/config.h"
#include "record/group_shape.h"
#include "training/step/step.h"

namespace attune::training {

/// The candidates of rows as they were grouped, and the extra ones that the method asks for.
/// @param groupings [rows] members are indices into the row's candidates; a row without members is left out
Step assemble_groups(std::span<const data::TokenizedRow> rows, std::span<const record::Grouping> groupings,
                     const algorithm::Method& method, const model::ModelConfig& config);

}  // namespace attune::training
