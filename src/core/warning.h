// What a person should know although the work goes on.
#pragma once

#include <string_view>

namespace attune::core {

/// One line on standard error: "warning: …".
void warn(std::string_view text);

}  // namespace attune::core
