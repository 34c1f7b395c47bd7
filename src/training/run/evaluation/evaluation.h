// What held-out data say of the model: the numbers of metrics.jsonl, and the same prompt by prompt, without
// which nobody can tell a change from chance.
#pragma once

#include <span>

#include "core/json.h"
#include "model/config.h"
#include "training/options.h"
#include "training/step/engine.h"
#include "training/term.h"

namespace attune::training {

struct Evaluation {
  core::Json row;  ///< {"eval_loss": …, "eval_rewards/margins": …}
  /// A line of evaluations.jsonl without its step: {"data": fingerprint, "prompts": N, "metrics": {name:
  /// {"sums": […], "counts": […]}}}, prompts in the order of the data; a metric's value is the sum of its
  /// sums over that of its counts (left out where all are 1). Several methods that train together share their
  /// prompts; their loss is the weighted sum.
  core::Json by_prompt;
};

/// Goes through the held-out data of every term that has some. The terms stay as they are.
Evaluation evaluate(std::span<const MethodTerm> terms, const Engine& engine, const TrainingOptions& options,
                    const model::ModelConfig& config);

/// Metric names get the method's name in front when several methods train together.
std::string named(std::size_t terms, const std::string& term, const std::string& metric);

}  // namespace attune::training
