// The token cache on disk: rows one after another, the table of their places, a summary, and a trailer that
// vouches for all of it. Native byte order; a cache is a convenience of one machine, not a format for
// exchange.
//
//   "ATTNDATA" | row … row | offsets [rows + 1] (u64) | summary (JSON text, padded to 8) | trailer
//
// A row: its lengths, prompt ids, the teacher's prompt ids, meta (JSON text); then each candidate: its
// lengths, feedback, old log-probs, ids, step ends, mask. Every part begins at a multiple of 8 bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/files.h"
#include "data/tokenized_row.h"
#include "data/tokens/cached_row.h"

namespace attune::data {

/// Fast 64-bit checksum of blocks whose sizes are multiples of 8 (the last may be any).
class Checksum {
 public:
  void add(std::string_view bytes);
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
};

/// Writes rows to a sink as they come; holds 8 bytes a row.
class CacheWriter {
 public:
  CacheWriter(const core::Sink& sink, std::uint64_t fingerprint);
  /// @param copies how many places in the table the row gets.
  void add(const CachedRow& row, std::int64_t copies);
  void finish(const core::Json& summary);

 private:
  void put(std::string_view bytes);
  const core::Sink& sink_;
  std::uint64_t fingerprint_, at_ = 0;
  Checksum checksum_;
  std::vector<std::uint64_t> offsets_;
  std::string buffer_;
};

/// A mapped cache. The pages of rows that were read are given back now and then, so that the memory of the
/// process does not grow with the file.
class CacheFile {
 public:
  /// Null when the file is missing, of another fingerprint or version, truncated or damaged anywhere.
  static std::shared_ptr<const CacheFile> open(const std::string& path, std::uint64_t fingerprint);
  std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()); }
  TokenizedRow row(std::int64_t i) const;
  const core::Json& summary() const { return summary_; }
  ~CacheFile();

 private:
  explicit CacheFile(core::MappedFile file);
  bool check(std::uint64_t fingerprint);
  void give_back(std::size_t bytes) const;

  core::MappedFile file_;
  std::span<const std::uint64_t> offsets_;
  core::Json summary_;
  std::size_t rows_end_ = 0;
  struct Touched;
  std::unique_ptr<Touched> touched_;
};

}  // namespace attune::data
