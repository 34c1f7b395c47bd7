// The immutable heart of a tokenizer, shared by its copies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/stage/decoder.h"
#include "text/tokenizer/stage/normalizer.h"
#include "text/tokenizer/stage/post_processor.h"
#include "text/tokenizer/stage/pre_tokenizer.h"
#include "text/tokenizer/subword_model.h"

namespace attune::text {

/// What a tokenizer consists of. Null: that step is left out.
struct TokenizerParts {
  std::unique_ptr<const Normalizer> normalizer;
  std::unique_ptr<const PreTokenizer> pre_tokenizer;
  std::unique_ptr<const SubwordModel> model;
  std::unique_ptr<const Decoder> decoder;
  AddedTokens added;
  SpecialFrame frame;
  std::map<std::string, std::string> special_texts;  // "bos_token" → "<s>"
  std::string folder;
  std::uint64_t fingerprint = 0;
};

/// Reads a tokenizer as `Tokenizer::load` describes it. @throws core::Error{kRequest}
TokenizerParts load_tokenizer_parts(const std::string& folder_or_file);

class TokenizerCore {
 public:
  explicit TokenizerCore(TokenizerParts parts) : parts_(std::move(parts)) {}

  const TokenizerParts& parts() const { return parts_; }
  /// @param places null, or gets the bytes of the text that each id stands for, as `Tokenizer::encode_placed`
  /// says
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens,
                                   std::vector<TextSpan>* places = nullptr) const;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  std::optional<std::string_view> token(std::int32_t id) const;
  std::optional<std::int32_t> id_of(std::string_view token) const;
  std::int32_t vocab_size() const;
  /// Hands the token of `id` to a decoding, unless it does not exist or is to be skipped.
  void push_token(DecodeRun& run, std::int32_t id, bool skip_special_tokens) const;

 private:
  struct Scratch {
    RegexScratch regex;
    ModelScratch model;
  };
  /// A scratch for one call: taken from the idle ones, and put back afterwards with its warm cache.
  class Lease;

  /// @param begin where the segment begins in the whole text
  void encode_segment(std::string_view segment, std::size_t begin, Scratch& scratch,
                      std::vector<std::int32_t>& out, std::vector<TextSpan>* places) const;
  void encode_pieces(const Pieces& pieces, Scratch& scratch, std::vector<std::int32_t>& out,
                     std::vector<TextSpan>* places) const;

  TokenizerParts parts_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace attune::text
