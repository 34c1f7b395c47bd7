// Whether a folder could be written to, asked before there is anything to write.
#pragma once

#include <string>

namespace attune::core {

/// Creates nothing. @throws Error{kRequest}, as ensure_folder() would: the folder, or the nearest one above
/// it that exists, cannot be written to
void require_writable_folder(const std::string& path);

}  // namespace attune::core
