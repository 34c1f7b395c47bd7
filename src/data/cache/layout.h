// The fixed-size parts of the token cache, as they lie in the file.
#pragma once

#include <cstdint>

namespace attune::data::cache {

inline constexpr char kMagic[8] = {'A', 'T', 'T', 'N', 'D', 'A', 'T', 'A'};
inline constexpr std::uint64_t kVersion = 6;

struct RowHead {
  std::int64_t index;
  std::uint32_t prompt, candidates, meta, teacher_prompt;
};

struct CandidateHead {
  std::uint32_t completion, step_ends, old_logps;  ///< entries
  std::uint32_t feedback;                          ///< bytes
};

struct Trailer {
  std::uint64_t fingerprint, rows, offsets_begin, summary_begin, summary_size, checksum, version;
  char magic[8];
};

inline constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace attune::data::cache
