// From rows of data to a step: candidates grouped as a method learns from them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/config/fields.h"
#include "data/dataset.h"
#include "model/config.h"
#include "training/step/step.h"

namespace attune::training {

/// How rated rows become what a method asks for.
struct PairingOptions {
  std::string pairs = "best_worst";  ///< best_worst, all, adjacent
  void declare(core::Fields& fields);
};

/// Builds a step from dataset rows: pairs, labels, groups or lists, as the method wants, with the extra candidates it
/// asks for. A completion stands once, whatever it is compared with. Deterministic: derived candidates depend on the
/// order of rows only.
Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const PairingOptions& pairing);

}  // namespace attune::training
