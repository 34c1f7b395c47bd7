// Open-addressing tables for the two lookups that tokenisation lives on: bytes → id, and pair of ids → merge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace attune::text {

/// 64-bit key → value. Grows only; no removal.
template <class Value>
class FlatMap {
 public:
  explicit FlatMap(std::size_t expected = 0) { allocate(expected); }

  const Value* find(std::uint64_t key) const {
    for (std::size_t slot = home(key);; slot = (slot + 1) & mask_) {
      if (!used_[slot]) return nullptr;
      if (slots_[slot].key == key) return &slots_[slot].value;
    }
  }

  /// The value of `key`, inserted as `Value{}` if it was not there.
  Value& operator[](std::uint64_t key) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    std::size_t slot = home(key);
    while (used_[slot] && slots_[slot].key != key) slot = (slot + 1) & mask_;
    if (!used_[slot]) {
      used_[slot] = 1;
      slots_[slot] = {key, Value{}};
      ++count_;
    }
    return slots_[slot].value;
  }

  std::size_t size() const { return count_; }

 private:
  struct Slot {
    std::uint64_t key;
    Value value;
  };

  void allocate(std::size_t expected) {
    std::size_t size = 16;
    while (size < expected * 2) size *= 2;
    slots_.assign(size, Slot{});
    used_.assign(size, 0);
    mask_ = size - 1;
  }
  void grow() {
    std::vector<Slot> slots;
    std::vector<char> used;
    slots.swap(slots_);
    used.swap(used_);
    allocate(slots.size());
    count_ = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (used[i]) (*this)[slots[i].key] = slots[i].value;
    }
  }
  /// Fibonacci hashing spreads small ids over the table.
  std::size_t home(std::uint64_t key) const {
    key = (key ^ (key >> 32)) * 0x9e3779b97f4a7c15ULL;
    return static_cast<std::size_t>(key ^ (key >> 29)) & mask_;
  }

  std::vector<Slot> slots_;
  std::vector<char> used_;
  std::size_t mask_ = 0, count_ = 0;
};

}  // namespace attune::text
