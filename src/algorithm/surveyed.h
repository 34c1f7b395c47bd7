// What surveys of alignment list among the methods of learning and what is no loss of method/: a hook, a chain of
// commands, a decoding technique, or absent.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace attune::algorithm {

struct Surveyed {
  std::string_view name;                 ///< as the field calls it: "remax"
  std::string_view title;                ///< with its authors
  std::array<std::string_view, 3> rows;  ///< MethodInfo::rows, "" behind the last
  std::string_view kind;                 ///< "hook", "pipeline", "decoding", "absent"
  std::string_view how;  ///< what to write to have it; of what is absent the reason, and what comes nearest
};

/// By name. None is the name of a method: one that gets a file in method/ leaves this list.
std::span<const Surveyed> surveyed();

}  // namespace attune::algorithm
