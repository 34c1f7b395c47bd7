// Text to token ids and back, as the Hugging Face `tokenizers` package does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/text_span.h"

namespace attune::text {

class TokenizerCore;

/// Ids, and of each the bytes of the text that it stands for.
struct PlacedIds {
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> places;
};

/// A tokenizer read from a model folder or file. A value: copies share one immutable core, so that copying is
/// cheap and every const method may run on many threads at once.
///
/// Text is UTF-8. Each ill-formed part (maximal subpart, Unicode 3.9) is read as one U+FFFD, so that any
/// bytes can be encoded; what reads text from outside should check it there. `truncation` and `padding` of
/// the file are ignored.
class Tokenizer {
 public:
  /// Reads `tokenizer.json`, or `vocab.json` + `merges.txt`, with the special and added tokens of
  /// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` as `AutoTokenizer` of
  /// transformers 5 applies them. A path to a `tokenizer.json` file is read alone, as
  /// `tokenizers.Tokenizer.from_file` does.
  /// @throws core::Error{kRequest} naming the file: missing, malformed, or of a kind that is not supported.
  static Tokenizer load(const std::string& folder_or_file);

  /// Why a folder has no tokenizer that load() would read: none of its files is there, or they are of a kind
  /// that is not supported. "" when there is one.
  static std::string missing_from(const std::string& folder);

  /// Ids of `text`. Special tokens written inside the text are always recognised;
  /// `add_special_tokens` says whether the post-processor's own (BOS, EOS …) are put around it.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens = true) const;

  /// The same ids with their places in `text` as it was before any rule changed it: what `offsets` are in
  /// `tokenizers`, without `trim_offsets`, in bytes. Places are ranges of whole characters, so that tokens
  /// which share one (bytes of it, parts of what it was decomposed into) have the same. A token that a rule
  /// put in has the place of the character beside it; one that stands for no text, such as those of the
  /// post-processor, {0, 0}. (Where a vocabulary lacks characters and has nothing for them, `tokenizers`
  /// shifts what follows in the word; places here do not.)
  PlacedIds encode_placed(std::string_view text, bool add_special_tokens = true) const;

  /// What encode(add_special_tokens = true) puts at the end; of the post-processor.
  std::span<const std::int32_t> closing_ids() const;

  /// Text of `ids`, always valid UTF-8 (stray bytes become U+FFFD). Ids that the vocabulary does not have
  /// (models may have more embedding rows than tokens) give no text.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = false) const;

  /// The token as it is written in the vocabulary ("Ġthe", "<0x0A>"); empty for an id that does not exist.
  std::string token(std::int32_t id) const;
  std::optional<std::int32_t> id_of(std::string_view token) const;

  /// Highest id + 1, added tokens included. Unused ids may lie below it.
  std::int32_t vocab_size() const;

  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;
  std::optional<std::int32_t> pad_id() const;
  std::optional<std::int32_t> unk_id() const;

  /// Whether decode(skip_special_tokens = true) drops it.
  bool is_special(std::int32_t id) const;

  /// "bos_token", "eos_token", "unk_token", "pad_token" … with their texts: the variables of chat templates.
  const std::map<std::string, std::string>& special_token_texts() const;

  /// Where it was loaded from: a folder (or the folder of the file), for chat templates and for saving a
  /// model with its tokenizer unchanged.
  const std::string& folder() const;

  /// Equal when the files that define the tokenizer are equal. For caches and run.json.
  std::uint64_t fingerprint() const;

 private:
  explicit Tokenizer(std::shared_ptr<const TokenizerCore> core) : core_(std::move(core)) {}
  std::shared_ptr<const TokenizerCore> core_;
  friend class StreamDecoder;
};

class DecodeRun;

/// Decodes a growing answer, in constant time per id. The pieces given out, joined, equal `decode` of all
/// ids; none ends inside a UTF-8 sequence, and text given out is never changed by later ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens = false);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;
  /// The text that can be printed now; empty while a character is incomplete.
  std::string push(std::int32_t id);
  /// What was held back, when no more ids follow. The decoder starts afresh afterwards.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_special_;
  std::unique_ptr<DecodeRun> run_;
};

/// A prompt and its completion, tokenised as one text.
struct PromptCompletionIds {
  std::vector<std::int32_t> prompt;
  std::vector<std::int32_t> completion;
  bool straddles = false;  ///< a token spans the end of the prompt; it belongs to the completion
};

/// Ids of `prompt + completion` (with the tokenizer's own special tokens), cut at the longest common prefix
/// with the ids of the prompt alone (without what the post-processor appends at its end).
PromptCompletionIds encode_pair(const Tokenizer& tokenizer, std::string_view prompt,
                                std::string_view completion);

}  // namespace attune::text
