#include "core/warning.h"

#include <fmt/format.h>

#include <cstdio>

namespace attune::core {

void warn(std::string_view text) { fmt::print(stderr, "warning: {}\n", text); }

}  // namespace attune::core
