// The fixed-size parts of the token cache, as they lie in the file.
#pragma once

#include <cstdint>

namespace attune::data::cache {

inline constexpr char kMagic[8] = {'A', 'T', 'T', 'N', 'D', 'A', 'T', 'A'};
inline constexpr std::uint64_t kVersion = 2;

struct RowHead {
  std::int64_t index;
  std::uint32_t prompt, candidates;
};

struct CandidateHead {
  std::uint32_t completion, step_scores, step_ends, old_logps;
  std::uint32_t flags, index;
  double rank, reward, margin, preference, weight;
};

enum Flag : std::uint32_t {
  kRank = 1,
  kReward = 2,
  kMargin = 4,
  kPreference = 8,
  kLabel = 16,
  kLabelTrue = 32,
  kTruncated = 64
};

struct Trailer {
  std::uint64_t fingerprint, rows, offsets_begin, summary_begin, summary_size, checksum, version;
  char magic[8];
};

inline constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace attune::data::cache
