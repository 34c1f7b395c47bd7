// Checkpoints: a folder that transformers or PEFT loads, with the rest of the training state beside it. It
// becomes visible by one rename after everything is on disk.
#pragma once

#include <map>
#include <string>

#include "core/json.h"
#include "model/model.h"
#include "training/hook.h"
#include "training/optimizer/optimizer.h"

namespace attune::training {

/// Writes folder/{model files, training_state.json, optimizer.safetensors, hooks.safetensors}. The model
/// files are what the run would publish now (averaged weights, where it averages); the last one is left out
/// where hooks keep nothing.
/// @param state counters, cursors, method states: whatever the trainer needs to continue.
void save_checkpoint(const std::string& folder, const model::Model& model, AdamW& optimizer,
                     const Hooks& hooks, const core::Json& state);

/// Puts weights, moments and what hooks keep back exactly and returns the state. @throws Error{kRequest}
/// naming what is damaged.
core::Json load_checkpoint(const std::string& folder, AdamW& optimizer, const Hooks& hooks);

}  // namespace attune::training
