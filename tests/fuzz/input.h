// What fuzz targets share: inputs cut into parts, files made of them, and which answers to bad input are
// right.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/error.h"

namespace attune::fuzz {

/// Ends the process in a way that libFuzzer reports and keeps the input of.
[[noreturn]] inline void finding(std::string_view what) {
  std::fprintf(stderr, "finding: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

inline void expect(bool holds, std::string_view what) {
  if (!holds) finding(what);
}

/// Runs `read`. An Error about the input is the expected answer to a bad one; an Error about ourselves is a
/// finding, and so is every other exception (which nobody catches). Returns whether the input was accepted.
template <class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (const core::Error& error) {
    if (error.code() == core::ErrorCode::kInternal) finding(error.what());
    expect(*error.what() != '\0', "an error without a message");
    return false;
  }
}

/// The input cut at NUL bytes into exactly `count` parts; parts that are not there are empty, the last takes
/// the rest.
inline std::vector<std::string_view> parts_of(std::string_view input, std::size_t count) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < count) {
    const std::size_t end = input.find('\0');
    parts.push_back(input.substr(0, end));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  }
  parts.push_back(input);
  return parts;
}

inline std::string_view text_of(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A folder for the files of one process, gone at its normal end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "attune-fuzz-XXXXXX").string();
    expect(mkdtemp(name.data()) != nullptr, "no temporary folder");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Writes a file of that name and gives its path.
  std::string write(const std::string& name, std::string_view bytes) const {
    const std::string path = path_ + "/" + name;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    expect(out.good(), "a temporary file cannot be written");
    return path;
  }
  void remove(const std::string& name) const { std::filesystem::remove(path_ + "/" + name); }

 private:
  std::string path_;
};

inline const ScratchFolder& scratch_folder() {
  static const ScratchFolder folder;
  return folder;
}

}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);
