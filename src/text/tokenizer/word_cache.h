// Remembers the ids of words: text repeats itself, merging need not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text {

/// Bounded: forgets everything when it is full. Not for two threads at once.
class WordCache {
 public:
  /// Longer words are rare and would fill the memory.
  static constexpr std::size_t kMaxWord = 128;

  /// The ids stored for `word`; the span is valid until the next `put`.
  std::optional<std::span<const std::int32_t>> find(std::string_view word) const;
  void put(std::string_view word, std::span<const std::int32_t> ids);

 private:
  struct Slot {
    std::uint64_t hash;
    std::uint32_t word_begin, word_length, ids_begin, ids_length;
  };
  static constexpr std::size_t kMaxWords = 1 << 16;

  static std::uint64_t hash(std::string_view word) { return std::hash<std::string_view>{}(word) | 1; }
  std::size_t slot_of(std::string_view word, std::uint64_t hash) const;
  void grow(std::size_t slots);

  std::vector<Slot> slots_;
  std::string words_;
  std::vector<std::int32_t> ids_;
  std::size_t count_ = 0;
};

}  // namespace attune::text
