#include "core/files/writable_folder.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <system_error>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::core {
namespace {

/// Why no folder can be made in one that there is, 0 where it can. Permissions do not tell: /proc has them, and takes
/// none. So one is made and removed, under a name that nobody else has, as others may look at the real one meanwhile.
int why_none_below(const fs::path& folder) {
  std::string trial = (folder / ".attune-XXXXXX").string();
  if (::mkdtemp(trial.data()) == nullptr) return errno;
  ::rmdir(trial.c_str());
  return 0;
}

/// Whether it is a link that leads nowhere, in whose place no folder can be made.
bool is_dangling(const fs::path& path) {
  std::error_code ignored;
  return fs::is_symlink(fs::symlink_status(path, ignored)) && !fs::exists(path, ignored);
}

}  // namespace

void require_writable_folder(const std::string& path) {
  std::error_code error;
  fs::path folder = fs::absolute(path, error).lexically_normal();
  const bool exists = fs::exists(folder, error);
  int why = 0;
  for (; !fs::exists(folder, error) && folder.has_relative_path(); folder = folder.parent_path()) {
    if (is_dangling(folder)) why = EEXIST;
    if (folder.filename().native().size() > NAME_MAX) why = ENAMETOOLONG;
  }
  if (why == 0 && !fs::is_directory(folder, error)) why = ENOTDIR;
  if (why == 0 && ::access(folder.c_str(), W_OK) != 0) why = errno;
  if (why == 0 && !exists) why = why_none_below(folder);
  if (why == 0) return;
  fail_request("{}: cannot {}: {}", path, exists ? "write to this folder" : "create the folder",
               std::generic_category().message(why));
}

}  // namespace attune::core
