#include "text/tokenizer/vocabulary.h"

#include "core/error.h"

namespace attune::text {

std::size_t Vocabulary::slot_of(std::string_view token, std::uint64_t hash) const {
  if (slots_.empty()) return 0;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].id >= 0 &&
         (slots_[slot].hash != hash ||
          std::string_view(bytes_).substr(slots_[slot].begin, slots_[slot].length) != token)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

void Vocabulary::rehash(std::size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  const std::size_t mask = slots - 1;
  for (const Slot& entry : old) {
    if (entry.id < 0) continue;
    std::size_t slot = entry.hash & mask;
    while (slots_[slot].id >= 0) slot = (slot + 1) & mask;
    slots_[slot] = entry;
  }
}

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  bytes_.reserve(bytes);
  by_id_.reserve(tokens);
  std::size_t slots = 16;
  while (slots < tokens * 2) slots *= 2;
  if (slots > slots_.size()) rehash(slots);
}

void Vocabulary::set(std::string_view token, std::int32_t id) {
  ATTUNE_ASSERT(id >= 0 && id <= kMaxTokenId);
  if ((count_ + 1) * 2 > slots_.size()) rehash(slots_.empty() ? 16 : slots_.size() * 2);
  const std::uint64_t token_hash = hash(token);
  Slot& slot = slots_[slot_of(token, token_hash)];
  if (slot.id < 0) {
    slot = {token_hash, bytes_.size(), static_cast<std::uint32_t>(token.size()), id};
    bytes_ += token;
    ++count_;
  }
  slot.id = id;
  if (static_cast<std::size_t>(id) >= by_id_.size()) by_id_.resize(static_cast<std::size_t>(id) + 1);
  by_id_[static_cast<std::size_t>(id)] = {slot.begin, slot.length, true};
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= id_limit() || !by_id_[static_cast<std::size_t>(id)].used) return std::nullopt;
  const Range& range = by_id_[static_cast<std::size_t>(id)];
  return std::string_view(bytes_).substr(range.begin, range.length);
}

}  // namespace attune::text
