#include "text/tokenizer/word_cache.h"

namespace attune::text {

std::size_t WordCache::slot_of(std::string_view word, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].hash != 0 &&
         (slots_[slot].hash != hash ||
          std::string_view(words_).substr(slots_[slot].word_begin, slots_[slot].word_length) != word)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::optional<std::span<const std::int32_t>> WordCache::find(std::string_view word) const {
  if (slots_.empty() || word.size() > kMaxWord) return std::nullopt;
  const Slot& slot = slots_[slot_of(word, hash(word))];
  if (slot.hash == 0) return std::nullopt;
  return std::span(ids_).subspan(slot.ids_begin, slot.ids_length);
}

void WordCache::grow(std::size_t slots) {
  std::vector<Slot> old(slots, Slot{});
  old.swap(slots_);
  for (const Slot& entry : old) {
    if (entry.hash == 0) continue;
    std::size_t slot = entry.hash & (slots - 1);
    while (slots_[slot].hash != 0) slot = (slot + 1) & (slots - 1);
    slots_[slot] = entry;
  }
}

void WordCache::put(std::string_view word, std::span<const std::int32_t> ids) {
  if (word.size() > kMaxWord) return;
  if (count_ >= kMaxWords) {
    slots_.assign(slots_.size(), Slot{});
    words_.clear();
    ids_.clear();
    count_ = 0;
  }
  if ((count_ + 1) * 2 > slots_.size()) grow(slots_.empty() ? 1024 : slots_.size() * 2);
  const std::uint64_t word_hash = hash(word);
  Slot& slot = slots_[slot_of(word, word_hash)];
  if (slot.hash != 0) return;
  slot = {word_hash, static_cast<std::uint32_t>(words_.size()), static_cast<std::uint32_t>(word.size()),
          static_cast<std::uint32_t>(ids_.size()), static_cast<std::uint32_t>(ids.size())};
  words_ += word;
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  ++count_;
}

}  // namespace attune::text
