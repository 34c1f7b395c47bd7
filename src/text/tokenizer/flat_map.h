// Open-addressing tables for the two lookups that tokenisation lives on: bytes → id, and pair of ids → merge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace attune::text {

/// 64-bit key → value. Grows only; no removal. The key ~0 is reserved.
template <class Value>
class FlatMap {
 public:
  explicit FlatMap(std::size_t expected = 0) { allocate(expected); }

  const Value* find(std::uint64_t key) const {
    for (std::size_t slot = home(key);; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return &slots_[slot].value;
      if (slots_[slot].key == kEmpty) return nullptr;
    }
  }

  /// The value of `key`, inserted as `Value{}` if it was not there.
  Value& operator[](std::uint64_t key) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    std::size_t slot = home(key);
    while (slots_[slot].key != kEmpty && slots_[slot].key != key) slot = (slot + 1) & mask_;
    if (slots_[slot].key == kEmpty) {
      slots_[slot] = {key, Value{}};
      ++count_;
    }
    return slots_[slot].value;
  }

  std::size_t size() const { return count_; }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Value value{};
  };

  void allocate(std::size_t expected) {
    std::size_t size = 16;
    while (size < expected * 2) size *= 2;
    slots_.assign(size, Slot{});
    mask_ = size - 1;
  }
  void grow() {
    std::vector<Slot> slots;
    slots.swap(slots_);
    allocate(slots.size());
    count_ = 0;
    for (const Slot& entry : slots) {
      if (entry.key != kEmpty) (*this)[entry.key] = entry.value;
    }
  }
  /// Multiplicative hashing spreads small ids over the table.
  std::size_t home(std::uint64_t key) const {
    key = (key ^ (key >> 32)) * 0x9e3779b97f4a7c15ULL;
    return static_cast<std::size_t>(key ^ (key >> 29)) & mask_;
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0, count_ = 0;
};

}  // namespace attune::text
