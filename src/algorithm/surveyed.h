// What surveys of alignment list among the methods of learning and what is no loss of method/: a hook, a chain of
// commands, a decoding technique, or absent.
#pragma once

#include <string_view>
#include <vector>

namespace attune::algorithm {

struct Surveyed {
  std::string_view name;               ///< as the field calls it: "remax"
  std::string_view title;              ///< with its authors
  std::vector<std::string_view> rows;  ///< MethodInfo::rows
  std::string_view kind;               ///< "hook", "pipeline", "decoding", "absent"
  std::string_view how;  ///< what to write to have it; of what is absent the reason, and what comes nearest
};

/// By name. None is the name of a method: one that gets a file in method/ leaves this list.
const std::vector<Surveyed>& surveyed();

}  // namespace attune::algorithm
