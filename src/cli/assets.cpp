#include "cli/assets.h"

#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::cli {

std::string asset_path(const std::string& name) {
  namespace fs = core::fs;
  std::vector<fs::path> places;
  if (const char* own = std::getenv("ATTUNE_ASSETS")) places.emplace_back(own);
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  places.push_back(program / ".." / "assets");
  places.push_back(program / ".." / "share" / "attune");
  places.emplace_back(ATTUNE_BUILT_ASSETS);
  std::string looked;
  for (const auto& place : places) {
    if (fs::exists(place / name, ignored)) return fs::weakly_canonical(place / name).string();
    looked += "\n  " + place.string();
  }
  core::fail_request(
      "the bundled {} was not found; set ATTUNE_ASSETS to the folder assets of the source. Looked in:{}",
      name, looked);
}

}  // namespace attune::cli
