#include "core/files/writable_folder.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::core {

void require_writable_folder(const std::string& path) {
  std::error_code error;
  fs::path folder = fs::absolute(path, error).lexically_normal();
  const bool exists = fs::exists(folder, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  if (::access(folder.c_str(), W_OK) == 0 && fs::is_directory(folder, error)) return;
  const int why = fs::is_directory(folder, error) ? errno : ENOTDIR;
  fail_request("{}: cannot {}: {}", path, exists ? "write to this folder" : "create the folder",
               std::generic_category().message(why));
}

}  // namespace attune::core
