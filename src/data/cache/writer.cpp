#include <bit>
#include <cstring>

#include "data/cache/feedback.h"
#include "data/cache/file.h"
#include "data/cache/layout.h"

namespace attune::data {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

void append_bytes(std::string& out, const void* data, std::size_t size) {
  out.append(static_cast<const char*>(data), size);
  out.resize(cache::padded(out.size()));
}

template <class T>
void append_list(std::string& out, const std::vector<T>& values) {
  append_bytes(out, values.data(), values.size() * sizeof(T));
}

void append_candidate(std::string& out, const CachedCandidate& candidate) {
  const auto& completion = candidate.completion;
  std::string feedback;
  cache::append_feedback(feedback, candidate.said);
  cache::CandidateHead head{};
  head.completion = static_cast<std::uint32_t>(completion.ids.size());
  head.step_ends = static_cast<std::uint32_t>(completion.step_ends.size());
  head.old_logps = static_cast<std::uint32_t>(candidate.old_logps.size());
  head.feedback = static_cast<std::uint32_t>(feedback.size());
  append_bytes(out, &head, sizeof head);
  append_bytes(out, feedback.data(), feedback.size());
  append_list(out, candidate.old_logps);
  append_list(out, completion.ids);
  append_list(out, completion.step_ends);
  append_list(out, completion.mask);
}

}  // namespace

void Checksum::add(std::string_view bytes) {
  std::uint64_t state = state_;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
    state = std::rotl((state ^ word) * 0x9fb21c651e98df25ULL, 29);
  }
  state_ = state;
}

CacheWriter::CacheWriter(const core::Sink& sink, std::uint64_t fingerprint)
    : sink_(sink), fingerprint_(fingerprint) {
  buffer_.append(cache::kMagic, sizeof cache::kMagic);
}

void CacheWriter::put(std::string_view bytes) {
  checksum_.add(bytes);
  sink_(bytes);
  at_ += bytes.size();
}

void CacheWriter::add(const CachedRow& row, std::int64_t copies) {
  const std::uint64_t offset = at_ + buffer_.size();
  offsets_.insert(offsets_.end(), static_cast<std::size_t>(copies), offset);
  const std::string meta = row.meta.empty() ? "" : core::to_line(row.meta);
  const cache::RowHead head{row.index, static_cast<std::uint32_t>(row.prompt.size()),
                            static_cast<std::uint32_t>(row.candidates.size()),
                            static_cast<std::uint32_t>(meta.size()),
                            static_cast<std::uint32_t>(row.teacher_prompt.size())};
  append_bytes(buffer_, &head, sizeof head);
  append_list(buffer_, row.prompt);
  append_list(buffer_, row.teacher_prompt);
  append_bytes(buffer_, meta.data(), meta.size());
  for (const auto& candidate : row.candidates) append_candidate(buffer_, candidate);
  if (buffer_.size() < kBufferBytes) return;
  put(buffer_);
  buffer_.clear();
}

void CacheWriter::finish(const core::Json& summary) {
  put(buffer_);
  buffer_.clear();
  cache::Trailer trailer{};
  trailer.fingerprint = fingerprint_;
  trailer.version = cache::kVersion;
  trailer.rows = offsets_.size();
  trailer.offsets_begin = at_;
  put({reinterpret_cast<const char*>(offsets_.data()), offsets_.size() * sizeof(std::uint64_t)});
  std::string text = core::to_line(summary);
  trailer.summary_begin = at_;
  trailer.summary_size = text.size();
  text.resize(cache::padded(text.size()), ' ');
  put(text);
  std::memcpy(trailer.magic, cache::kMagic, sizeof cache::kMagic);
  Checksum whole = checksum_;
  whole.add({reinterpret_cast<const char*>(&trailer), sizeof trailer});  // with checksum 0
  trailer.checksum = whole.value();
  sink_({reinterpret_cast<const char*>(&trailer), sizeof trailer});
}

}  // namespace attune::data
