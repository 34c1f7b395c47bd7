// Several methods on the same rated answers, side by side: what `--compare` and `--unified` show.
#pragma once

#include <string>

#include "cli/method_rows.h"
#include "core/json.h"

namespace attune::cli {

/// A table of methods by tokens: δ, what each token is pushed by, and what each method dropped.
std::string unified_text(const MethodList& methods);
/// {"prompt", "answers": [{"tokens", "reward"}], "candidates" (the answers as a fixture has them), "methods": [{"method",
/// "family", "loss", "answers": [{"dropped", "delta", "score"}]}]}
core::Json unified_json(const MethodList& methods);

}  // namespace attune::cli
