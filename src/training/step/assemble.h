// From rows of data to a step: candidates grouped as a method learns from them.
#pragma once

#include <span>

#include "data/row_use.h"
#include "data/tokenized_row.h"
#include "model/config.h"
#include "record/pairing.h"
#include "training/step/step.h"

namespace attune::training {

/// Builds a step from dataset rows: pairs, labels, groups or lists, as they were read for, with the extra
/// candidates that the method asks for. A completion stands once, whatever it is compared with.
/// Deterministic: derived candidates depend on the order of rows only.
/// @param key seed and step of a pairing that draws
Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const data::RowUse& use, record::PairingKey key = {});

}  // namespace attune::training
