// From samples that were rated to a step, through the same pairing as rows of a file.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "data/row_use.h"
#include "model/config.h"
#include "record/example.h"
#include "record/pairing.h"
#include "training/step/step.h"

namespace attune::training {

/// A step of samples, and what did not become part of it.
struct SampledStep {
  Step step;
  record::PairingCounts counts;
  std::map<std::string, std::int64_t> unusable;  ///< reason → prompts that nothing can be learned from
};

/// Groups rated samples as a method learns from them. Feedback comes along, and so do the log-probabilities
/// that they were drawn with.
/// @param examples prompts of ids, candidates of ids: completion_mask absent means trained on everywhere
/// @param numbers [examples] what the prompts are known by: Step::rows, and PairingKey::record
/// @param use learns, in the method's shape
SampledStep step_of_samples(std::span<const record::Example> examples, std::span<const std::int64_t> numbers,
                            const algorithm::Method& method, const model::ModelConfig& config,
                            const data::RowUse& use, record::PairingKey key = {});

}  // namespace attune::training
