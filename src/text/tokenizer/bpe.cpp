#include "text/tokenizer/bpe.h"

#include <algorithm>

#include "core/error.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

constexpr std::uint32_t kNone = ~0U;
// Up to here a plain search for the best pair is faster than a queue.
constexpr std::size_t kShortWord = 24;

bool later(const ModelScratch::Candidate& a, const ModelScratch::Candidate& b) { return a.order > b.order; }

/// What SentencePiece writes for a space (U+2581).
constexpr std::string_view kMark = "\xE2\x96\x81";

void add_id(ModelScratch& scratch, std::int32_t id, TextSpan span) {
  scratch.ids.push_back(id);
  if (scratch.wants_spans) scratch.spans.push_back(span);
}

/// Where the marks that a text begins with end.
std::size_t skip_marks(std::string_view text) {
  std::size_t at = 0;
  while (text.substr(at).starts_with(kMark)) at += kMark.size();
  return at;
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, BpeOptions options, std::string where)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)), where_(std::move(where)) {
  if (options_.unk_token) unk_id_ = vocabulary_.find(*options_.unk_token);
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = vocabulary_.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  for (char32_t c = 0; c < character_ids_.size(); ++c) {
    std::string text;
    append_utf8(text, c);
    character_ids_[c] = vocabulary_.find(text).value_or(-1);
  }
  words_stand_alone_ = vocabulary_.find(kMark) && !options_.ignore_merges &&
                       options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
}

void Bpe::add_merge(std::string_view left, std::string_view right, std::size_t index) {
  const auto id = [&](std::string_view token) {
    const auto found = vocabulary_.find(token);
    if (!found) {
      core::fail_request("{}: merge {} (\"{}\" + \"{}\") names \"{}\", which is not in the vocabulary",
                         where_, index, left, right, token);
    }
    return *found;
  };
  const std::int32_t left_id = id(left), right_id = id(right);
  if (right.starts_with(kMark) && skip_marks(left) < left.size()) words_stand_alone_ = false;
  const std::string_view prefix = options_.continuing_subword_prefix;
  if (right.size() < prefix.size()) {
    core::fail_request("{}: merge {}: \"{}\" is shorter than the continuing_subword_prefix \"{}\"", where_,
                       index, right, prefix);
  }
  const std::int32_t merged = id(std::string(left).append(right.substr(prefix.size())));
  merges_[pair(left_id, right_id)] = {static_cast<std::uint32_t>(index), merged};
}

std::optional<std::int32_t> Bpe::find_character(std::string_view character, bool first, bool last,
                                                std::string& buffer) const {
  const bool has_prefix = !first && !options_.continuing_subword_prefix.empty();
  const bool has_suffix = last && !options_.end_of_word_suffix.empty();
  if (!has_prefix && !has_suffix) {
    if (character.size() > 2) return vocabulary_.find(character);
    const char32_t c = next_code_point(character).value;
    if (c >= character_ids_.size()) return vocabulary_.find(character);
    return character_ids_[c] < 0 ? std::nullopt : std::optional(character_ids_[c]);
  }
  buffer.clear();
  if (has_prefix) buffer += options_.continuing_subword_prefix;
  buffer += character;
  if (has_suffix) buffer += options_.end_of_word_suffix;
  return vocabulary_.find(buffer);
}

bool Bpe::append_bytes(std::string_view bytes, TextSpan character, ModelScratch& scratch) const {
  const auto id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (std::any_of(bytes.begin(), bytes.end(), [&](char byte) { return id(byte) < 0; })) return false;
  for (const char byte : bytes) add_id(scratch, id(byte), character);
  return true;
}

std::int32_t Bpe::required_unk(std::string_view character) const {
  if (unk_id_) return *unk_id_;
  core::fail_request("{}: \"{}\" is not in the vocabulary, and neither is the unk_token \"{}\"", where_,
                     character, *options_.unk_token);
}

void Bpe::split_characters(std::string_view piece, ModelScratch& scratch) const {
  scratch.ids.clear();
  scratch.spans.clear();
  std::optional<std::int32_t> unk;  // held back, so that the next unknown character can join it
  TextSpan unk_span;
  const auto flush = [&] {
    if (unk) add_id(scratch, *unk, unk_span);
    unk.reset();
  };
  for (std::size_t at = 0, length = 0; at < piece.size(); at += length) {
    length = next_code_point(piece.substr(at)).length;
    const std::string_view character = piece.substr(at, length);
    const TextSpan span{at, at + length};
    const bool first = at == 0, last = at + length == piece.size();
    if (const auto id = find_character(character, first, last, scratch.text)) {
      flush();
      add_id(scratch, *id, span);
      continue;
    }
    if (options_.byte_fallback) {
      // With a prefix or suffix, its bytes are part of the character. A held unknown token comes after the
      // bytes: so does the reference, and models were trained on that.
      const bool plain = (first || options_.continuing_subword_prefix.empty()) &&
                         (!last || options_.end_of_word_suffix.empty());
      if (append_bytes(plain ? character : std::string_view(scratch.text), span, scratch)) continue;
    }
    if (!options_.unk_token) continue;
    if (unk && !options_.fuse_unk) flush();
    unk_span = {unk ? unk_span.first : span.first, span.second};
    unk = required_unk(character);
  }
  flush();
}

void Bpe::merge_short(ModelScratch& scratch) const {
  auto& ids = scratch.ids;
  while (ids.size() > 1) {
    const Merge* best = nullptr;
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const Merge* merge = merges_.find(pair(ids[i], ids[i + 1]));
      if (merge != nullptr && (best == nullptr || merge->rank < best->rank)) best = merge, where = i;
    }
    if (best == nullptr) return;
    const auto right = static_cast<std::ptrdiff_t>(where) + 1;
    ids[where] = best->merged;
    ids.erase(ids.begin() + right);
    if (!scratch.wants_spans) continue;
    scratch.spans[where].second = scratch.spans[where + 1].second;
    scratch.spans.erase(scratch.spans.begin() + right);
  }
}

void Bpe::queue_pair(ModelScratch& scratch, std::uint32_t position) const {
  const auto& symbol = scratch.symbols[position];
  if (symbol.next == kNone) return;
  const Merge* merge = merges_.find(pair(symbol.id, scratch.symbols[symbol.next].id));
  if (merge == nullptr) return;
  scratch.queue.push_back({static_cast<std::uint64_t>(merge->rank) << 32 | position, merge->merged});
}

void Bpe::merge_long(ModelScratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& queue = scratch.queue;
  const auto count = static_cast<std::uint32_t>(scratch.ids.size());
  symbols.clear();
  queue.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    symbols.push_back({scratch.ids[i], i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1, true});
  }
  for (std::uint32_t i = 0; i < count; ++i) queue_pair(scratch, i);
  std::make_heap(queue.begin(), queue.end(), later);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), later);
    const auto top = queue.back();
    queue.pop_back();
    const auto position = static_cast<std::uint32_t>(top.order);
    auto& symbol = symbols[position];
    if (!symbol.alive || symbol.next == kNone) continue;
    auto& right = symbols[symbol.next];
    const Merge* merge = merges_.find(pair(symbol.id, right.id));
    if (merge == nullptr || merge->merged != top.merged)
      continue;  // the pair has changed since it was queued
    symbol.id = top.merged;
    right.alive = false;
    symbol.next = right.next;
    if (right.next != kNone) symbols[right.next].previous = position;
    for (const std::uint32_t changed : {symbol.previous, position}) {
      const std::size_t before = queue.size();
      if (changed != kNone) queue_pair(scratch, changed);
      if (queue.size() > before) std::push_heap(queue.begin(), queue.end(), later);
    }
  }
  scratch.ids.clear();
  for (std::uint32_t i = 0, kept = 0; i != kNone && i < count; i = symbols[i].next, ++kept) {
    scratch.ids.push_back(symbols[i].id);
    if (!scratch.wants_spans) continue;
    const std::uint32_t end = symbols[i].next == kNone ? count : symbols[i].next;
    scratch.spans[kept] = {scratch.spans[i].first, scratch.spans[end - 1].second};  // kept is at most i
  }
  if (scratch.wants_spans) scratch.spans.resize(scratch.ids.size());
}

template <class Visit>
void Bpe::each_word(std::string_view piece, Visit&& visit) const {
  while (words_stand_alone_ && !piece.empty()) {
    const std::string_view word = piece.substr(0, piece.find(kMark, skip_marks(piece)));
    visit(word);
    piece.remove_prefix(word.size());
  }
  if (!piece.empty()) visit(piece);
}

void Bpe::encode(std::string_view piece, ModelScratch& scratch, std::vector<std::int32_t>& out) const {
  scratch.wants_spans = false;
  each_word(piece, [&](std::string_view word) {
    if (const auto known = scratch.cache.find(word)) {
      out.insert(out.end(), known->begin(), known->end());
      return;
    }
    encode_word(word, scratch);
    scratch.cache.put(word, scratch.ids);
    out.insert(out.end(), scratch.ids.begin(), scratch.ids.end());
  });
}

void Bpe::encode(std::string_view piece, ModelScratch& scratch, std::vector<std::int32_t>& out,
                 std::vector<TextSpan>& spans) const {
  scratch.wants_spans = true;
  std::vector<std::int32_t> found;
  each_word(piece, [&](std::string_view word) {
    const auto begin = static_cast<std::size_t>(word.data() - piece.data());
    const auto add = [&](std::int32_t id, std::size_t first, std::size_t second) {
      out.push_back(id);
      spans.emplace_back(begin + first, begin + second);
    };
    if (const auto known = scratch.span_cache.find(word)) {
      for (std::size_t i = 0; i < known->size(); i += 3)
        add((*known)[i], static_cast<std::size_t>((*known)[i + 1]),
            static_cast<std::size_t>((*known)[i + 2]));
      return;
    }
    encode_word(word, scratch);
    found.clear();
    for (std::size_t i = 0; i < scratch.ids.size(); ++i) {
      const auto [first, second] = scratch.spans[i];
      add(scratch.ids[i], first, second);
      found.insert(found.end(),
                   {scratch.ids[i], static_cast<std::int32_t>(first), static_cast<std::int32_t>(second)});
    }
    scratch.span_cache.put(word, found);
  });
}

void Bpe::encode_word(std::string_view word, ModelScratch& scratch) const {
  const auto whole = options_.ignore_merges ? vocabulary_.find(word) : std::nullopt;
  if (whole) {
    scratch.ids.clear();
    scratch.spans.clear();
    add_id(scratch, *whole, {0, word.size()});
    return;
  }
  split_characters(word, scratch);
  scratch.ids.size() <= kShortWord ? merge_short(scratch) : merge_long(scratch);
}

}  // namespace attune::text
