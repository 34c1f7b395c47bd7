// Searching and cutting text in linear time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {

/// First and last place of `what` in `text`; npos if there is none.
std::size_t find_first(std::string_view text, std::string_view what, std::size_t from);
std::size_t find_last(std::string_view text, std::string_view what);

/// str.replace; all places if `count` is negative.
std::string replaced(Budget& budget, const std::string& text, const std::string& old,
                     const std::string& fresh, std::int64_t count);

/// split, rsplit, splitlines, partition, rpartition; null for other names.
Function find_split_method(std::string_view name);

}  // namespace attune::text::jinja
