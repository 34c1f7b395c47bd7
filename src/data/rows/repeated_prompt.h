// Prompts that completions repeat: orpo-dpo-mix and others write whole conversations beside their prompt.
#pragma once

#include <string>

#include "record/example.h"

namespace attune::data {

/// Leaves a prompt of messages once, in the prompt, where a completion begins with it (or with its end, or
/// every one with a system message before it). Returns what is to be said of the row; "" when there is
/// nothing. Texts that begin with their prompt stay as they are: that is only said. Blanks around texts do
/// not count.
std::string settle_repeated_prompt(record::Example& example);

}  // namespace attune::data
