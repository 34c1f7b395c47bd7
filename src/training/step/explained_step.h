// One step as its method saw it: the numbers that the engine read, the loss, and the coefficients that
// training would push through the model. Nothing is trained. For people who want to look (`attune explain`).
#pragma once

#include <vector>

#include "training/step/engine.h"

namespace attune::training {

struct ExplainedStep {
  StepResult result;                     ///< loss and metrics, as the engine gives them to the trainer
  algorithm::Batch batch;                ///< the whole step: offsets, feedback, signals, what was prepared
  algorithm::Coefficients coefficients;  ///< −∂loss/∂signal for every signal with a gradient
};

/// Runs the step through the engine without training it, all candidates at once and in the step's order.
/// @param extra signals that are read for the reader's sake; the method does not see them.
/// @throws core::Error as Engine::run does
ExplainedStep explain_step(const Engine& engine, const Step& step, const algorithm::Method& method,
                           const std::vector<algorithm::Need>& extra);

}  // namespace attune::training
