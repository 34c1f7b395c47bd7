// Whether a folder could be written to, asked before there is anything to write.
#pragma once

#include <string>

namespace attune::core {

/// Leaves nothing behind. @throws Error{kRequest}, as ensure_folder() would: the folder cannot be written to, or none
/// of that name can be made where it would be
void require_writable_folder(const std::string& path);

}  // namespace attune::core
