// Token ↔ id, as the model part of a tokenizer file states them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text {

/// Ids beyond this are refused: a table of that many tokens would only be an attack on memory.
inline constexpr std::int32_t kMaxTokenId = (1 << 24) - 1;

/// Grows only. Views that it returns stay valid while it is not changed.
class Vocabulary {
 public:
  void reserve(std::size_t tokens, std::size_t bytes);

  /// Adds or re-assigns `token`. `id` must be in [0, kMaxTokenId].
  void set(std::string_view token, std::int32_t id);

  std::optional<std::int32_t> find(std::string_view token) const {
    const std::size_t slot = slot_of(token, hash(token));
    return slots_.empty() || slots_[slot].id < 0 ? std::nullopt : std::optional(slots_[slot].id);
  }
  /// The token with that id; nothing if the id is unused.
  std::optional<std::string_view> token(std::int32_t id) const;

  /// How many tokens there are.
  std::size_t size() const { return count_; }
  /// Highest id + 1.
  std::int32_t id_limit() const { return static_cast<std::int32_t>(by_id_.size()); }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::size_t begin = 0;
    std::uint32_t length = 0;
    std::int32_t id = -1;
  };
  struct Range {
    std::size_t begin = 0;
    std::uint32_t length = 0;
    bool used = false;
  };

  static std::uint64_t hash(std::string_view token) { return std::hash<std::string_view>{}(token); }
  std::size_t slot_of(std::string_view token, std::uint64_t hash) const;
  void rehash(std::size_t slots);

  std::string bytes_;
  std::vector<Slot> slots_;
  std::vector<Range> by_id_;
  std::size_t count_ = 0;
};

}  // namespace attune::text
