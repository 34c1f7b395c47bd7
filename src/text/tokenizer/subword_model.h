// The model of a tokenizer: how one piece of text becomes token ids. One file per kind (bpe.cpp …).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "text/text_span.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/word_cache.h"

namespace attune::text {

/// Memory that encoding needs and that is worth keeping between calls. Not for two threads at once.
struct ModelScratch {
  struct Symbol {
    std::int32_t id;
    std::uint32_t previous, next;
    bool alive;
  };
  struct Candidate {
    std::uint64_t order;  // rank << 32 | position: the lowest rank first, leftmost among equals
    std::int32_t merged;
  };
  WordCache cache;
  WordCache span_cache;  // id, begin, end of each
  std::vector<std::int32_t> ids;
  bool wants_spans = false;
  std::vector<TextSpan> spans;  // [ids] of the word, where they are wanted
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
  std::string text;
};

/// Immutable.
class SubwordModel {
 public:
  virtual ~SubwordModel() = default;
  /// Appends the ids of one piece, which is not empty.
  virtual void encode(std::string_view piece, ModelScratch& scratch,
                      std::vector<std::int32_t>& out) const = 0;
  /// The same, with the bytes of the piece that each id stands for.
  virtual void encode(std::string_view piece, ModelScratch& scratch, std::vector<std::int32_t>& out,
                      std::vector<TextSpan>& spans) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
  virtual std::optional<std::int32_t> unk_id() const = 0;
};

}  // namespace attune::text
