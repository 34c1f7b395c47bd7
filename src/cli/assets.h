// Files that come with the program.
#pragma once

#include <string>

namespace attune::cli {

/// Path of a bundled file or folder: "tinystories-656k", "quickstart/openings.jsonl". Looked for in
/// $ATTUNE_ASSETS, beside the program (../assets, ../share/attune), then where the program was built.
/// @throws Error{kRequest} naming the places.
std::string asset_path(const std::string& name);

}  // namespace attune::cli
