// Tokens on top of the model's vocabulary, recognised in the text before anything else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/tokenizer/flat_map.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/stage/normalizer.h"
#include "text/tokenizer/vocabulary.h"

namespace attune::text {

struct AddedToken {
  std::string content;
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
  bool normalized = true;    ///< looked for in normalised text, with its content normalised too
  bool special = false;      ///< left out by decode(skip_special_tokens)
  bool operator==(const AddedToken&) const = default;
};

/// Reads one entry of "added_tokens" (its id is ignored here). @throws core::Error{kRequest}
AddedToken read_added_token(const JsonView& view);

/// Finds the leftmost, and there the longest, of a set of strings.
class TokenFinder {
 public:
  TokenFinder();
  /// Longer contents are refused: the search is linear in the text times the longest token.
  static constexpr std::size_t kMaxContent = 1024;
  void add(std::string_view content, std::int32_t id);
  bool empty() const { return nodes_.size() == 1; }
  struct Found {
    std::size_t begin, end;
    std::int32_t id;
  };
  std::optional<Found> find(std::string_view text, std::size_t from) const;

 private:
  std::vector<std::int32_t> nodes_;  // the id that ends at each node of the trie, or -1
  FlatMap<std::uint32_t> edges_;     // node << 8 | byte → node
  std::vector<bool> starts_;         // bytes that some content starts with
};

/// A part of a text: an added token, or text between added tokens.
struct TextPart {
  std::size_t begin, end;
  std::optional<std::int32_t> id;
};

class AddedTokens {
 public:
  /// Adds in order. A token that the vocabulary has keeps its id; others get the next free one: stated ids
  /// are not looked at, as in `tokenizers`. @param normalizer may be null.
  void add(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary, const Normalizer* normalizer);

  /// Parts of raw text by the tokens that are not normalised, or of normalised text by those that are.
  std::vector<TextPart> split(std::string_view text, bool normalized) const;

  std::optional<std::int32_t> find(std::string_view content) const;
  /// The added token with that id, or null.
  const AddedToken* token(std::int32_t id) const;
  /// What decoders get for that token: its content, normalised if it is looked for in normalised text.
  const std::string& decoded_text(std::int32_t id) const { return decoded_texts_.at(id); }
  bool is_special(std::string_view content) const { return special_contents_.contains(std::string(content)); }
  std::int32_t id_limit() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; }

 private:
  void rebuild(const Normalizer* normalizer);

  std::unordered_map<std::string, std::int32_t> ids_;
  std::map<std::int32_t, AddedToken> by_id_;
  std::unordered_map<std::int32_t, std::string> decoded_texts_;
  std::vector<AddedToken> special_, ordinary_;
  std::unordered_set<std::string> special_contents_;
  TokenFinder raw_, normalized_;
};

}  // namespace attune::text
