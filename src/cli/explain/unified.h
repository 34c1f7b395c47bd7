// Several methods on the same rated answers, side by side: what `--compare` and `--unified` show.
#pragma once

#include <string>

#include "cli/explain/real_step.h"
#include "cli/method_rows.h"
#include "core/json.h"

namespace attune::cli {

/// A table of methods by tokens: δ, what each token is pushed by, and what each method dropped.
std::string unified_text(const MethodList& methods);
/// {"prompt", "answers": [{"tokens", "reward"}], "candidates" (the answers as a fixture has them), "methods": [{"method",
/// "family", "loss", "answers": [{"dropped", "delta", "score"}]}]}
core::Json unified_json(const MethodList& methods);

/// The same of a real record: every method learns from this record alone. The JSON also has "model", "data", "record",
/// "row" and "id"; answers have "ids" and no reward where the data give none; what a method pushes through other numbers
/// of the distribution than log-probabilities is in "signals". A method that cannot use the record has a "reason" in
/// place of loss and answers.
core::Json unified_record_json(const MethodList& methods, RealStepOptions options);
/// @param tokens how many of each answer's tokens have a column
std::string unified_record_text(const core::Json& unified, std::size_t tokens);

}  // namespace attune::cli
