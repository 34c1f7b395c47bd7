// A computed step as the JSON of `attune explain METHOD model=… data=…`: the object of a fixture
// with what is known of the real tokens besides.
#pragma once

#include "cli/explain/records.h"
#include "core/json.h"
#include "training/step/explained_step.h"

namespace attune::cli {

/// {"loss", "metrics", "candidates"}. A candidate has what a fixture's result has, then "id", "candidate"
/// (index in its record), "row", "feedback" (for people), the keys that a fixture would give it ("group",
/// "rank", "label", "reward", "weight", "margin", "logps", "ref_logps", "scores", "kl_logps" …), "ids",
/// "tokens" and "mask".
///
/// Lists per token have one entry for each of "ids". Where the mask is 0 a number that training does not read
/// is null and a coefficient is 0. Signals other than log-probabilities are in "signals", what the loss
/// pushes them by in "signal_coefficients".
core::Json step_json(const ExplainedRecords& found, const training::ExplainedStep& explained,
                     const algorithm::Method& method, const data::TextCodec& codec);

}  // namespace attune::cli
