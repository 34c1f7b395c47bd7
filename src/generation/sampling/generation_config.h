// generation_config.json: which of its settings completions follow, and which not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "generation/sampling/sampling_options.h"

namespace attune::generation {

/// What the model folder says of sampling: its generation_config.json, or, where that is absent, the keys of
/// that file in config.json, as transformers reads them. Without do_sample decoding is greedy.
/// @throws Error{kRequest} naming file and key
SamplingOptions sampling_of_folder(const std::string& model_folder);

/// Tokens that end a completion by generation_config.json; nothing where it does not say.
/// @throws Error{kRequest} naming the file
std::optional<std::vector<std::int64_t>> end_ids_of_folder(const std::string& model_folder);

/// One line that names every setting of the folder that would change what transformers writes and changes
/// nothing here; "" when there is none. Also keys that generation_config.json does not have in transformers.
std::string unheeded_settings(const std::string& model_folder);

}  // namespace attune::generation
