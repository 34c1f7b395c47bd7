#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include "core/error.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

bool ends_with_word(std::string_view text) { return !text.empty() && is_word(last_code_point(text).value); }
bool starts_with_word(std::string_view text) { return !text.empty() && is_word(next_code_point(text).value); }

/// Where the white space at the end of `text` begins.
std::size_t trailing_space(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = last_code_point(text);
    if (!is_white_space(c.value)) break;
    text.remove_suffix(c.length);
  }
  return text.size();
}

/// How long the white space at the start of `text` is.
std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = next_code_point(text.substr(at));
    if (!is_white_space(c.value)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

AddedToken read_added_token(const JsonView& view) {
  AddedToken token;
  token.content = view.at("content").text();
  token.single_word = view.boolean_or("single_word", false);
  token.lstrip = view.boolean_or("lstrip", false);
  token.rstrip = view.boolean_or("rstrip", false);
  token.special = view.boolean_or("special", false);
  token.normalized = view.boolean_or("normalized", !token.special);
  if (token.content.size() > TokenFinder::kMaxContent) {
    view.fail(fmt::format("this added token has {} bytes, more than the {} that are allowed",
                          token.content.size(), TokenFinder::kMaxContent));
  }
  return token;
}

TokenFinder::TokenFinder() : nodes_(1, -1), starts_(256, false) {}

void TokenFinder::add(std::string_view content, std::int32_t id) {
  if (content.empty()) return;
  starts_[static_cast<unsigned char>(content[0])] = true;
  std::uint64_t node = 0;
  for (const char byte : content) {
    std::uint32_t& next = edges_[node << 8 | static_cast<unsigned char>(byte)];
    if (next == 0) {
      next = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back(-1);
    }
    node = next;
  }
  if (nodes_[node] < 0) nodes_[node] = id;  // of equal contents, the first
}

std::optional<TokenFinder::Found> TokenFinder::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    std::optional<Found> longest;
    std::uint64_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      const std::uint32_t* next = edges_.find(node << 8 | static_cast<unsigned char>(text[at]));
      if (next == nullptr) break;
      node = *next;
      if (nodes_[node] >= 0) longest = Found{begin, at + 1, nodes_[node]};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

std::optional<std::int32_t> AddedTokens::find(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

const AddedToken* AddedTokens::token(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void AddedTokens::add(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary,
                      const Normalizer* normalizer) {
  for (const AddedToken& token : tokens) {
    if (token.special && !token.content.empty() && special_contents_.insert(token.content).second) {
      special_.push_back(token);
    }
  }
  const auto size = static_cast<std::int32_t>(vocabulary.size());
  std::int32_t next = size;  // after the vocabulary's count (not its highest id), and after all added ids
  for (const auto& [content, id] : ids_) next = std::max(next, id + 1);
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto known = find(token.content);
    if (known && *this->token(*known) == token) continue;
    const std::int32_t id = known ? *known : vocabulary.find(token.content).value_or(next);
    if (id > kMaxTokenId) core::fail_request("too many added tokens: id {} is out of range", id);
    next = std::max(next, id + 1);
    ids_[token.content] = id;
    by_id_[id] = token;
    if (!special_contents_.contains(token.content)) ordinary_.push_back(token);
  }
  rebuild(normalizer);
}

void AddedTokens::rebuild(const Normalizer* normalizer) {
  raw_ = TokenFinder();
  normalized_ = TokenFinder();
  RegexScratch scratch;
  const auto text_of = [&](const AddedToken& token) {
    SourcedText content(token.content);
    scratch.begin_text(token.content.size());
    if (token.normalized && normalizer != nullptr) normalizer->apply(content, scratch);
    return content.text();
  };
  for (const auto* list : {&special_, &ordinary_}) {
    for (const AddedToken& token : *list) {
      (token.normalized ? normalized_ : raw_).add(text_of(token), ids_.at(token.content));
    }
  }
  for (const auto& [id, token] : by_id_) decoded_texts_[id] = text_of(token);
}

std::vector<TextPart> AddedTokens::split(std::string_view text, bool normalized) const {
  const TokenFinder& finder = normalized ? normalized_ : raw_;
  std::vector<TextPart> parts;
  std::size_t done = 0, from = 0;
  while (!finder.empty()) {
    const auto found = finder.find(text, from);
    if (!found) break;
    auto [begin, end, id] = *found;
    from = end;
    const AddedToken& token = by_id_.at(id);
    if (token.single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end))))
      continue;
    if (token.lstrip) begin = std::max(trailing_space(text.substr(0, begin)), done);
    if (token.rstrip) end += leading_space(text.substr(end));
    if (done < begin) parts.push_back({done, begin, std::nullopt});
    parts.push_back({begin, end, id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), std::nullopt});
  return parts;
}

}  // namespace attune::text
