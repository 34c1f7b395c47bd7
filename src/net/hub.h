// Where a model name leads: a folder, or a snapshot in the Hugging Face cache.
#pragma once

#include <string>

namespace attune::net {

/// The folder of `name`: itself when it is one, else the snapshot of `org/name[@revision]` in the hub cache
/// (HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, ~/.cache). Nothing is downloaded.
/// @throws Error{kRequest} saying what was looked for and where.
std::string resolve_model_folder(const std::string& name);

/// The cache folder that the environment asks for.
std::string hub_cache_folder();

}  // namespace attune::net
