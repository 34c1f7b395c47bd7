// The decompressors behind open_stream().
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/files/text_input.h"

namespace attune::core {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;

class PlainFile : public ByteStream {
 public:
  explicit PlainFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "rbe")) {
    if (!file_) fail_request("{}: {}", path, std::strerror(errno));
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);  // callers read in large blocks
  }
  std::size_t read(char* into, std::size_t size) override {
    const std::size_t got = std::fread(into, 1, size, file_.get());
    if (got < size && std::ferror(file_.get()))
      fail_request("{}: cannot read: {}", path_, std::strerror(errno));
    return got;
  }
  void rewind() { std::rewind(file_.get()); }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Gzip, also several members one after the other (as bgzip and `cat a.gz b.gz` make).
class GzipStream : public ByteStream {
 public:
  GzipStream(std::unique_ptr<PlainFile> file, const std::string& path)
      : path_(path), file_(std::move(file)), input_(kBlock) {
    if (inflateInit2(&state_, 15 + 16) != Z_OK) fail_run("{}: not enough memory to decompress", path_);
  }
  ~GzipStream() override { inflateEnd(&state_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  std::size_t read(char* into, std::size_t size) override {
    state_.next_out = reinterpret_cast<Bytef*>(into);
    state_.avail_out = static_cast<uInt>(std::min(size, kBlock));
    const std::size_t asked = state_.avail_out;
    while (!ended_ && state_.avail_out == asked) step();
    return asked - state_.avail_out;
  }

 private:
  bool fill() {
    if (state_.avail_in > 0) return true;
    state_.next_in = input_.data();
    state_.avail_in = static_cast<uInt>(file_->read(reinterpret_cast<char*>(input_.data()), input_.size()));
    return state_.avail_in > 0;
  }
  void step() {
    if (!fill()) {
      if (in_member_) fail_request("{}: the gzip file is truncated; get it again", path_);
      ended_ = true;
      return;
    }
    if (!in_member_) {
      // Zero padding after the last member is common (tapes, block devices) and no error.
      while (*state_.next_in == 0) {
        ++state_.next_in;
        --state_.avail_in;
        if (!fill()) {
          ended_ = true;
          return;
        }
      }
      inflateReset(&state_);
      in_member_ = true;
    }
    const int code = inflate(&state_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      in_member_ = false;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      fail_request("{}: the gzip file is damaged ({}); get it again", path_,
                   state_.msg ? state_.msg : "bad data");
    }
  }

  std::string path_;
  std::unique_ptr<PlainFile> file_;
  std::vector<Bytef> input_;
  z_stream state_{};
  bool in_member_ = true, ended_ = false;
};

class ZstdStream : public ByteStream {
 public:
  ZstdStream(std::unique_ptr<PlainFile> file, const std::string& path)
      : path_(path), file_(std::move(file)), state_(ZSTD_createDStream()), input_(ZSTD_DStreamInSize()) {
    if (!state_) fail_run("{}: not enough memory to decompress", path_);
    ZSTD_initDStream(state_.get());
  }
  std::size_t read(char* into, std::size_t size) override {
    ZSTD_outBuffer out{into, size, 0};
    while (out.pos == 0) {
      if (from_.pos == from_.size && !flushing_) {
        from_ = {input_.data(), file_->read(input_.data(), input_.size()), 0};
        if (from_.size == 0) {
          if (in_frame_) fail_request("{}: the zstd file is truncated; get it again", path_);
          return 0;
        }
      }
      const std::size_t code = ZSTD_decompressStream(state_.get(), &out, &from_);
      if (ZSTD_isError(code)) {
        fail_request("{}: the zstd file is damaged ({}); get it again", path_, ZSTD_getErrorName(code));
      }
      in_frame_ = code != 0;
      flushing_ = out.pos == out.size && code != 0;  // more may wait inside although all input was taken
    }
    return out.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* state) const { ZSTD_freeDStream(state); }
  };
  std::string path_;
  std::unique_ptr<PlainFile> file_;
  std::unique_ptr<ZSTD_DStream, Free> state_;
  std::vector<char> input_;
  ZSTD_inBuffer from_{nullptr, 0, 0};
  bool in_frame_ = false, flushing_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> open_stream(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) fail_request("{}: {}", path, std::strerror(errno));
  if (S_ISDIR(info.st_mode)) fail_request("{}: is a folder, a file is needed", path);
  auto file = std::make_unique<PlainFile>(path);
  if (!S_ISREG(info.st_mode)) return file;  // a pipe cannot be looked into twice; it is taken as plain text
  unsigned char magic[4] = {};
  const std::size_t got = file->read(reinterpret_cast<char*>(magic), sizeof magic);
  file->rewind();
  if (got >= 2 && magic[0] == 0x1F && magic[1] == 0x8B)
    return std::make_unique<GzipStream>(std::move(file), path);
  const unsigned char zstd[4] = {0x28, 0xB5, 0x2F, 0xFD};
  if (got == 4 && std::memcmp(magic, zstd, 4) == 0)
    return std::make_unique<ZstdStream>(std::move(file), path);
  return file;
}

}  // namespace attune::core
