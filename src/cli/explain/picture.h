// A real record as a person sees it: prompt, answers token by token with what pushes each up or down, loss,
// metrics, and the coefficients in words.
#pragma once

#include <cstdint>
#include <string>

#include "cli/explain/real_step.h"

namespace attune::cli {

/// @param tokens how many tokens of an answer are shown; the rest is counted.
/// @param colour green for what is pushed up, red for down, dim for what is not trained on.
std::string real_step_text(const RealStep& step, std::int64_t tokens, bool colour);

}  // namespace attune::cli
