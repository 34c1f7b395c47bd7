// Lists and dictionaries as Python prints them: what a table keeps when a list was written into one of its
// cells.
#pragma once

#include <optional>
#include <string_view>

#include "core/json.h"

namespace attune::data {

/// "[{'role': 'user', 'content': "it's"}]" as JSON: lists, tuples, dictionaries, strings, numbers, True,
/// False and None. numpy's arrays are lists, too, also where it writes no commas between dictionaries; other
/// values without commas have two readings. Nothing where the text is not all of that.
std::optional<core::Json> read_python_literal(std::string_view text);

}  // namespace attune::data
