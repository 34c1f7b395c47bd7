// A part of a text.
#pragma once

#include <cstddef>
#include <utility>

namespace attune::text {

/// Byte range [first, second) of a text.
using TextSpan = std::pair<std::size_t, std::size_t>;

}  // namespace attune::text
