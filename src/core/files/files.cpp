#include "core/files/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/interrupt.h"

namespace attune::core {
namespace {

// Names of what is not finished: a file before its rename, a folder being filled, a folder that one replaces.
constexpr const char* kTemporary = ".tmp-";
constexpr const char* kStaged = ".partial";
constexpr const char* kRetired = ".old";

/// An open descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string reason() { return std::strerror(errno); }

void require_regular_file(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) fail_request("{}: {}", path, reason());
  if (S_ISDIR(info.st_mode)) fail_request("{}: is a folder, a file is needed", path);
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_run("{}: cannot write: {}", path, reason());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// A link stays a link: what it leads to is written.
std::string behind_links(const std::string& path) {
  std::error_code code;
  if (!fs::is_symlink(path, code)) return path;
  const fs::path target = fs::weakly_canonical(path, code);
  return code ? path : target.string();
}

/// A device or a pipe (/dev/stdout, a fifo) is written to, never replaced.
bool is_stream(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

void write_stream(const std::string& path, const std::function<void(const Sink&)>& produce) {
  const Descriptor file(path, O_WRONLY);
  if (!file.ok()) fail_run("{}: cannot open: {}", path, reason());
  produce([&](std::string_view bytes) { write_all(file.get(), bytes, path); });
}

}  // namespace

std::string read_file(const std::string& path, std::uint64_t max_bytes) {
  require_regular_file(path);
  Descriptor file(path, O_RDONLY);
  if (!file.ok()) fail_request("{}: {}", path, reason());
  std::string bytes;
  char block[1 << 16];
  for (;;) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_request("{}: cannot read: {}", path, reason());
    if (got == 0) return bytes;
    bytes.append(block, static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes)
      fail_request("{}: larger than the {} bytes that are accepted here", path, max_bytes);
  }
}

void write_file_atomically(const std::string& path, const std::function<void(const Sink&)>& produce) {
  if (is_stream(path)) return write_stream(path, produce);
  const std::string target = behind_links(path);
  const TemporaryName temporary(target + kTemporary + std::to_string(::getpid()));
  try {
    Descriptor file(temporary.path(), O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.ok()) fail_run("{}: cannot create: {}", path, reason());
    produce([&](std::string_view bytes) { write_all(file.get(), bytes, path); });
    if (::fsync(file.get()) != 0) fail_run("{}: cannot write: {}", path, reason());
    if (::rename(temporary.path().c_str(), target.c_str()) != 0)
      fail_run("{}: cannot rename: {}", path, reason());
  } catch (...) {
    ::unlink(temporary.path().c_str());
    throw;
  }
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  write_file_atomically(path, [&](const Sink& sink) { sink(bytes); });
}

StagedFolder::StagedFolder(std::string final_path) : final_(std::move(final_path)) {
  const fs::path target(final_);
  staged_ = (target.parent_path() / ("." + target.filename().string() + kStaged)).string();
  fs::remove_all(staged_);
  ensure_folder(staged_);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (!published_) fs::remove_all(staged_, ignored);
}

void StagedFolder::publish() {
  for (const auto& entry : fs::recursive_directory_iterator(staged_)) sync_to_disk(entry.path().string());
  sync_to_disk(staged_);
  // rename() cannot replace a folder that is not empty: the old one steps aside first and goes last.
  const std::string retired = staged_ + kRetired;
  std::error_code code;
  fs::remove_all(retired, code);
  if (fs::exists(final_)) fs::rename(final_, retired, code);
  if (!code) fs::rename(staged_, final_, code);
  if (code) fail_run("{}: cannot rename into place: {}", final_, code.message());
  published_ = true;
  fs::remove_all(retired, code);
  sync_to_disk(fs::path(final_).parent_path().string());
}

ScratchFolder::ScratchFolder(const std::string& name) {
  std::error_code code;
  const fs::path parent = fs::temp_directory_path(code);
  path_ = (parent / (name + "-XXXXXX")).string();
  if (code || ::mkdtemp(path_.data()) == nullptr)
    fail_request("no temporary folder can be made ({}): set TMPDIR to a folder that can be written to",
                 code ? code.message() : path_ + ": " + reason());
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool is_unfinished(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.find(kTemporary) != std::string::npos || name.ends_with(kStaged) ||
         name.ends_with(std::string(kStaged) + kRetired);
}

MappedFile::MappedFile(const std::string& path) {
  require_regular_file(path);
  Descriptor file(path, O_RDONLY);
  if (!file.ok()) fail_request("{}: {}", path, reason());
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail_request("{}: {}", path, reason());
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) fail_run("{}: cannot map: {}", path, reason());
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void sync_to_disk(const std::string& path) {
  Descriptor file(path.empty() ? "." : path, O_RDONLY);
  if (!file.ok() || ::fsync(file.get()) != 0) fail_run("{}: cannot flush to disk: {}", path, reason());
}

void ensure_folder(const std::string& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) fail_request("{}: cannot create the folder: {}", path, code.message());
  if (::access(path.c_str(), W_OK) != 0) fail_request("{}: cannot write to this folder: {}", path, reason());
}

std::uint64_t fingerprint(std::string_view bytes, std::uint64_t hash) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  hash ^= hash >> 32;
  return hash * 0x9e3779b97f4a7c15ULL;
}

std::uint64_t fingerprint_file(const std::string& path) {
  require_regular_file(path);
  Descriptor file(path, O_RDONLY);
  if (!file.ok()) fail_request("{}: {}", path, reason());
  // Read, not mapped: mapped pages count as this process's memory. Blocks keep the chain sequential but the
  // final mix applied often enough to spread long runs of zeros.
  std::uint64_t hash = fingerprint({});
  std::string block(std::size_t{1} << 20, '\0');
  for (std::size_t filled = 0;;) {
    const ssize_t got = ::read(file.get(), block.data() + filled, block.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_request("{}: cannot read: {}", path, reason());
    filled += static_cast<std::size_t>(got);
    if (filled > 0 && (got == 0 || filled == block.size())) {
      hash = fingerprint(std::string_view(block).substr(0, filled), hash);
      filled = 0;
    }
    if (got == 0) return hash;
  }
}

FolderLock::FolderLock(const std::string& path)
    : folder_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  // File systems without locks refuse with other errors: there the folder is used unguarded.
  if (folder_ >= 0 && ::flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(folder_);
    fail_request("{}: another run is writing to this folder; wait for it, or choose another", path);
  }
}

FolderLock::~FolderLock() {
  if (folder_ >= 0) ::close(folder_);
}

std::string cache_folder() {
  const auto from = [](const char* name, const char* below) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? std::string(value) + below : "";
  };
  std::string folder = from("XDG_CACHE_HOME", "/attune");
  if (folder.empty()) folder = from("HOME", "/.cache/attune");
  if (!folder.empty()) {
    try {
      ensure_folder(folder);
      return folder;
    } catch (const Error&) {  // a read-only home: the temporary folder does as well
    }
  }
  folder = fs::temp_directory_path() / fmt::format("attune-{}", ::getuid());
  ensure_folder(folder);
  return folder;
}

}  // namespace attune::core
