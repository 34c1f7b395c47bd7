// What a row that no format recognises probably means.
#pragma once

#include <string>

#include "core/json.h"

namespace attune::data {

/// "\"messages\" is a string where a list is needed …": a column that formats read, with a value that they
/// cannot read; "" when there is none.
std::string wrong_column(const core::Json& row);

/// "prompt_completion with data.columns={prompt: question, completion: answer}": the format that other names
/// for the columns would make of the row; "" when there is none.
std::string nearest_format(const core::Json& row);

}  // namespace attune::data
