#include "text/tokenizer/tokenizer_core.h"

#include <algorithm>

#include "core/error.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

constexpr std::size_t kMaxText = std::size_t{256} << 20;

/// Brings places in the repaired text to those in the text that was repaired.
void undo_repair(std::string_view text, std::vector<TextSpan>& places) {
  std::vector<std::size_t> origins;  // [repaired + 1]
  std::string repaired;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t good = utf8_length(text.substr(at));
    const std::uint32_t length = good > 0 ? good : ill_formed_length(text.substr(at));
    good > 0 ? void(repaired.append(text, at, good)) : append_utf8(repaired, 0xFFFD);
    origins.resize(repaired.size(), at);
    at += length;
  }
  origins.push_back(text.size());
  for (auto& [begin, end] : places) begin = origins[begin], end = origins[end];
}

}  // namespace

class TokenizerCore::Lease {
 public:
  explicit Lease(const TokenizerCore& core) : core_(core) {
    {
      const std::lock_guard lock(core_.mutex_);
      if (!core_.idle_.empty()) {
        scratch_ = std::move(core_.idle_.back());
        core_.idle_.pop_back();
      }
    }
    if (!scratch_) scratch_ = std::make_unique<Scratch>();
  }
  ~Lease() {
    const std::lock_guard lock(core_.mutex_);
    core_.idle_.push_back(std::move(scratch_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Scratch& operator*() { return *scratch_; }

 private:
  const TokenizerCore& core_;
  std::unique_ptr<Scratch> scratch_;
};

void TokenizerCore::encode_pieces(const Pieces& pieces, Scratch& scratch, std::vector<std::int32_t>& out,
                                  std::vector<TextSpan>* places) const {
  std::vector<TextSpan> spans;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (places == nullptr) {
      parts_.model->encode(pieces[i], scratch.model, out);
      continue;
    }
    spans.clear();
    parts_.model->encode(pieces[i], scratch.model, out, spans);
    for (const TextSpan& span : spans) places->push_back(pieces.place(i, span));
  }
}

void TokenizerCore::encode_segment(std::string_view segment, std::size_t begin, Scratch& scratch,
                                   std::vector<std::int32_t>& out, std::vector<TextSpan>* places) const {
  SourcedText normalized = places == nullptr ? SourcedText(std::string(segment))
                                             : SourcedText::placed(std::string(segment), begin);
  if (parts_.normalizer) parts_.normalizer->apply(normalized, scratch.regex);
  for (const TextPart& part : parts_.added.split(normalized.text(), true)) {
    if (part.id) {
      out.push_back(*part.id);
      if (places != nullptr) places->push_back(normalized.place(part.begin, part.end));
      continue;
    }
    Pieces pieces(normalized.part(part.begin, part.end), begin == 0 && part.begin == 0);
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->apply(pieces, scratch.regex);
    encode_pieces(pieces, scratch, out, places);
  }
}

std::vector<std::int32_t> TokenizerCore::encode(std::string_view text, bool add_special_tokens,
                                                std::vector<TextSpan>* places) const {
  if (text.size() > kMaxText) {
    core::fail_request("a text of {} bytes is too long to be tokenised in one piece (limit {})", text.size(),
                       kMaxText);
  }
  if (valid_utf8_prefix(text) != text.size()) {
    auto ids = encode(repair_utf8(text), add_special_tokens, places);
    if (places != nullptr) undo_repair(text, *places);
    return ids;
  }
  Lease lease(*this);
  Scratch& scratch = *lease;
  scratch.regex.begin_text(text.size());
  const SpecialFrame& frame = parts_.frame;
  std::vector<std::int32_t> out;
  out.reserve(text.size() / 3 + 8);
  const auto add = [&](const std::vector<std::int32_t>& ids, TextSpan place) {
    out.insert(out.end(), ids.begin(), ids.end());
    if (places != nullptr) places->resize(out.size(), place);
  };
  if (add_special_tokens) add(frame.before, {});
  for (const TextPart& part : parts_.added.split(text, false)) {
    if (part.id)
      add({*part.id}, {part.begin, part.end});
    else
      encode_segment(text.substr(part.begin, part.end - part.begin), part.begin, scratch, out, places);
  }
  if (add_special_tokens) add(frame.after, {});
  return out;
}

void TokenizerCore::push_token(DecodeRun& run, std::int32_t id, bool skip_special_tokens) const {
  if (const AddedToken* added = parts_.added.token(id)) {
    if (!skip_special_tokens || !parts_.added.is_special(added->content))
      run.push(parts_.added.decoded_text(id));
  } else if (const auto text = parts_.model->vocabulary().token(id)) {
    if (!skip_special_tokens || !parts_.added.is_special(*text)) run.push(*text);
  }
}

std::string TokenizerCore::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  DecodeRun run(parts_.decoder.get());
  for (const std::int32_t id : ids) push_token(run, id, skip_special_tokens);
  run.finish();
  return run.take();
}

std::optional<std::string_view> TokenizerCore::token(std::int32_t id) const {
  if (const AddedToken* added = parts_.added.token(id)) return added->content;
  return parts_.model->vocabulary().token(id);
}

std::optional<std::int32_t> TokenizerCore::id_of(std::string_view token) const {
  if (const auto id = parts_.added.find(token)) return id;
  return parts_.model->vocabulary().find(token);
}

std::int32_t TokenizerCore::vocab_size() const {
  return std::max(parts_.model->vocabulary().id_limit(), parts_.added.id_limit());
}

}  // namespace attune::text
