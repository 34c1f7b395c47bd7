// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) as in tokenizer.json, byte-level or with byte
// fallback.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "text/tokenizer/flat_map.h"
#include "text/tokenizer/subword_model.h"

namespace attune::text {

struct BpeOptions {
  std::optional<std::string> unk_token;  ///< what an unknown character becomes; nothing: it is left out
  std::string continuing_subword_prefix, end_of_word_suffix;
  bool fuse_unk = false;  ///< consecutive unknown characters become one token
  bool byte_fallback =
      false;  ///< an unknown character becomes its bytes as "<0xHH>", if all of them are tokens
  bool ignore_merges = false;  ///< a piece that is a token is taken as it is (Llama 3)
};

class Bpe : public SubwordModel {
 public:
  /// @param where names the file in messages.
  Bpe(Vocabulary vocabulary, BpeOptions options, std::string where);

  /// The next merge, in order of rank. `index` counts merges for messages.
  /// @throws core::Error{kRequest}: a part or the result is not in the vocabulary.
  void add_merge(std::string_view left, std::string_view right, std::size_t index);
  void reserve_merges(std::size_t count) { merges_ = FlatMap<Merge>(count); }

  /// Linear in the piece's length but for a logarithm: a megabyte without a space is no problem.
  /// @throws core::Error{kRequest}: an unknown character, and the unk_token itself is unknown.
  void encode(std::string_view piece, ModelScratch& scratch, std::vector<std::int32_t>& out) const override;
  void encode(std::string_view piece, ModelScratch& scratch, std::vector<std::int32_t>& out,
              std::vector<TextSpan>& spans) const override;

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<std::int32_t> unk_id() const override { return unk_id_; }

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t merged;
  };

  static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  /// Looks a character up that starts the piece, continues it, or ends it.
  std::optional<std::int32_t> find_character(std::string_view character, bool first, bool last,
                                             std::string& buffer) const;
  bool append_bytes(std::string_view bytes, TextSpan character, ModelScratch& scratch) const;
  void split_characters(std::string_view piece, ModelScratch& scratch) const;
  template <class Visit>
  void each_word(std::string_view piece, Visit&& visit) const;
  /// Leaves ids, and spans where they are wanted, in `scratch`.
  void encode_word(std::string_view word, ModelScratch& scratch) const;
  void merge_short(ModelScratch& scratch) const;
  void merge_long(ModelScratch& scratch) const;
  void queue_pair(ModelScratch& scratch, std::uint32_t position) const;
  std::int32_t required_unk(std::string_view character) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::string where_;
  FlatMap<Merge> merges_;
  std::optional<std::int32_t> unk_id_;
  /// No merge joins a "▁" to what stands before it: a text is cut before every "▁" into words that are merged
  /// (and remembered) alone. So it is for SentencePiece vocabularies, whose pre-tokenizer leaves the text
  /// whole.
  bool words_stand_alone_ = false;
  std::array<std::int32_t, 256> byte_ids_{};       // of "<0xHH>", or -1
  std::array<std::int32_t, 512> character_ids_{};  // of the first code points alone, or -1
};

/// Reads {"type": "BPE", "vocab": …, "merges": …, …}. @throws core::Error{kRequest}
std::unique_ptr<const Bpe> make_bpe(const JsonView& model);
/// The same with options that are not the file's (transformers rebuilds some classes from vocab and merges
/// alone).
std::unique_ptr<const Bpe> make_bpe(const JsonView& model, const BpeOptions& options);
/// From `vocab.json` and `merges.txt`.
std::unique_ptr<const Bpe> make_bpe(const JsonView& vocabulary, std::string_view merges,
                                    const std::string& merges_file, const BpeOptions& options);

}  // namespace attune::text
