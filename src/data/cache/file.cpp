#include "data/cache/file.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "data/cache/feedback.h"
#include "data/cache/layout.h"

namespace attune::data {
namespace {

/// After so many bytes the mapped pages are given back. The kernel maps up to 64 KiB on either side of what
/// is touched, which counts as well.
constexpr std::size_t kResidentBytes = std::size_t{32} << 20;
constexpr std::size_t kAroundFault = std::size_t{128} << 10;

/// Reads parts of a row and never beyond its end.
class Cursor {
 public:
  Cursor(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

  template <class T>
  std::span<const T> list(std::size_t count) {
    const std::size_t bytes = cache::padded(count * sizeof(T));
    if (count > size_ || bytes > size_ - at_)
      core::fail_run("the token cache changed while it was read; run again");
    const T* begin = reinterpret_cast<const T*>(data_ + at_);  // parts begin at multiples of 8
    at_ += bytes;
    return {begin, count};
  }
  template <class T>
  const T& one() {
    return list<T>(1)[0];
  }
  std::size_t at() const { return at_; }

 private:
  const std::byte* data_;
  std::size_t size_, at_ = 0;
};

TokenizedCandidate read_candidate(Cursor& cursor) {
  const auto& head = cursor.one<cache::CandidateHead>();
  TokenizedCandidate out;
  out.said = cache::read_feedback(cursor.list<char>(head.feedback));
  out.old_logps = cursor.list<double>(head.old_logps);
  out.completion = cursor.list<std::int32_t>(head.completion);
  out.step_ends = cursor.list<std::int32_t>(head.step_ends);
  out.mask = cursor.list<std::uint8_t>(head.completion);
  return out;
}

std::shared_ptr<const core::Json> read_meta(std::span<const char> text) {
  auto meta = std::make_shared<core::Json>();
  std::string why;
  if (text.empty() || !core::try_parse_json({text.data(), text.size()}, *meta, why)) return nullptr;
  return meta;
}

}  // namespace

struct CacheFile::Touched {
  std::atomic<std::size_t> bytes{0};
};

CacheFile::CacheFile(core::MappedFile file) : file_(std::move(file)), touched_(std::make_unique<Touched>()) {}
CacheFile::~CacheFile() = default;

std::shared_ptr<const CacheFile> CacheFile::open(const std::string& path, std::uint64_t fingerprint) {
  std::error_code error;
  if (!core::fs::is_regular_file(path, error)) return nullptr;
  std::shared_ptr<CacheFile> cache(new CacheFile(core::MappedFile(path)));
  return cache->check(fingerprint) ? cache : nullptr;
}

bool CacheFile::check(std::uint64_t fingerprint) {
  const auto bytes = file_.bytes();
  cache::Trailer trailer{};
  if (bytes.size() < sizeof cache::kMagic + sizeof trailer || bytes.size() % 8 != 0) return false;
  const std::size_t end = bytes.size() - sizeof trailer;
  std::memcpy(&trailer, bytes.data() + end, sizeof trailer);
  if (std::memcmp(trailer.magic, cache::kMagic, sizeof cache::kMagic) != 0 ||
      trailer.version != cache::kVersion || trailer.fingerprint != fingerprint ||
      trailer.offsets_begin % 8 != 0 || trailer.offsets_begin > end ||
      trailer.rows > (end - trailer.offsets_begin) / 8 ||
      trailer.summary_begin != trailer.offsets_begin + trailer.rows * 8 ||
      trailer.summary_size > end - trailer.summary_begin)
    return false;
  Checksum sum;
  for (std::size_t at = 0; at < end; at += kResidentBytes) {
    const std::size_t size = std::min(kResidentBytes, end - at);
    sum.add({reinterpret_cast<const char*>(bytes.data()) + at, size});
    give_back(size);
  }
  const std::uint64_t expected = trailer.checksum;
  trailer.checksum = 0;
  sum.add({reinterpret_cast<const char*>(&trailer), sizeof trailer});
  if (sum.value() != expected) return false;
  rows_end_ = trailer.offsets_begin;
  offsets_ = {reinterpret_cast<const std::uint64_t*>(bytes.data() + trailer.offsets_begin), trailer.rows};
  std::string why;
  return core::try_parse_json(
      {reinterpret_cast<const char*>(bytes.data()) + trailer.summary_begin, trailer.summary_size}, summary_,
      why);
}

void CacheFile::give_back(std::size_t bytes) const {
  const std::size_t mapped = bytes + kAroundFault;
  if (touched_->bytes.fetch_add(mapped) + mapped < kResidentBytes) return;
  touched_->bytes = 0;
  // Only a hint: pages that are read again come back from the file, so spans stay valid.
  const auto all = file_.bytes();
  ::madvise(const_cast<std::byte*>(all.data()), all.size(), MADV_DONTNEED);
}

TokenizedRow CacheFile::row(std::int64_t i) const {
  ATTUNE_ASSERT(i >= 0 && i < size());
  const std::uint64_t offset = offsets_[static_cast<std::size_t>(i)];
  ATTUNE_ASSERT(offset % 8 == 0 && offset < rows_end_);
  Cursor cursor(file_.bytes().data() + offset, rows_end_ - offset);
  const auto& head = cursor.one<cache::RowHead>();
  TokenizedRow out;
  out.index = head.index;
  out.prompt = cursor.list<std::int32_t>(head.prompt);
  out.teacher_prompt = cursor.list<std::int32_t>(head.teacher_prompt);
  out.candidates.reserve(head.candidates);
  const auto meta = read_meta(cursor.list<char>(head.meta));
  for (std::uint32_t c = 0; c < head.candidates; ++c) {
    out.candidates.push_back(read_candidate(cursor));
    out.candidates.back().said.meta = meta;
  }
  give_back(cursor.at());
  return out;
}

}  // namespace attune::data
