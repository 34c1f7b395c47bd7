// Files: reading whole files and mapping large ones, and writing so that nothing half-written is ever seen.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace attune::core {

namespace fs = std::filesystem;

/// `folder/name`, with one slash between.
inline std::string join_path(const std::string& folder, std::string_view name) {
  return (fs::path(folder) / name).string();
}

/// The whole file as bytes. @throws Error{kRequest} if it is missing or unreadable, or over `max_bytes`.
std::string read_file(const std::string& path, std::uint64_t max_bytes = std::uint64_t{4} << 30);

/// Writes to `path` through a temporary name in the same folder, fsync and rename: readers see the old file
/// or the whole new one, never a part. @throws Error{kRun} naming the path (disk full, not writable); leaves
/// no temporary, nor does a signal that ends the program meanwhile. A link is followed; a device or pipe
/// (/dev/stdout) is written to as it stands.
void write_file_atomically(const std::string& path, std::string_view bytes);

/// The same for content that is produced in pieces: `produce` is called once with a sink.
using Sink = std::function<void(std::string_view)>;
void write_file_atomically(const std::string& path, const std::function<void(const Sink&)>& produce);

/// Makes a folder that becomes visible under its name by one rename after everything in it is on disk.
/// Usage: `StagedFolder stage(path); write into stage.path(); stage.publish();`. An unpublished stage is
/// removed.
class StagedFolder {
 public:
  explicit StagedFolder(std::string final_path);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  const std::string& path() const { return staged_; }
  /// fsyncs every file and folder in the stage, then renames it into place (replacing an older folder of that
  /// name).
  void publish();

 private:
  std::string final_, staged_;
  bool published_ = false;
};

/// A folder of its own below the temporary one, removed with all that is in it.
class ScratchFolder {
 public:
  /// @param name begins the folder's name; the rest is drawn. @throws Error{kRequest} where none can be made
  explicit ScratchFolder(const std::string& name);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Keeps other programs that ask for the same folder out while it lives; gone with the process, however that
/// ends.
class FolderLock {
 public:
  /// @throws Error{kRequest} while somebody else holds it
  explicit FolderLock(const std::string& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int folder_ = -1;
};

/// Where things are kept that can be computed again: $XDG_CACHE_HOME/attune, ~/.cache/attune, or a folder of
/// this user below the temporary one where neither can be written.
std::string cache_folder();

/// Whether the name is one that the writers above give to what is not finished: what stands under it belongs
/// to a process that is writing or died.
bool is_unfinished(const fs::path& path);

/// A read-only memory map of a whole file; unmapped on destruction. An empty file maps to an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Flushes a file or folder to the disk. @throws Error{kRun}
void sync_to_disk(const std::string& path);

/// Creates the folder and its parents. @throws Error{kRequest} if it cannot be created or written to.
void ensure_folder(const std::string& path);

/// 64-bit fingerprint of bytes (FNV-1a with a final mix), for caches and run.json; not cryptographic.
std::uint64_t fingerprint(std::string_view bytes, std::uint64_t start = 0xcbf29ce484222325ULL);
/// Fingerprint of a file's content, read in blocks.
std::uint64_t fingerprint_file(const std::string& path);

}  // namespace attune::core
