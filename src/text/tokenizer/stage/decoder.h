// Decoders of tokenizer.json: tokens to text. Written as streams, so that decoding all at once and decoding
// token by token are the same code and give the same text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/json_view.h"
#include "text/tokenizer/stage/regex.h"

namespace attune::text {

/// One step of a decoder at work: takes tokens in order, hands what becomes of them to the next step.
class DecodeStage {
 public:
  virtual ~DecodeStage() = default;
  virtual void push(std::string_view token) = 0;
  /// No more tokens follow: hands on what was held back. Does not call the next stage's finish().
  virtual void finish() {}
  /// @param pushed the bytes that went into the first stage so far; what this one hands on may not grow
  /// beyond text_growth_limit of it.
  void set_next(DecodeStage* next, const std::size_t* pushed) {
    next_ = next;
    pushed_ = pushed;
  }

 protected:
  void emit(std::string_view token) {
    if (next_ == nullptr) return;
    emitted_ += token.size();
    if (const std::size_t limit = text_growth_limit(*pushed_); emitted_ > limit) fail_growth(limit);
    next_->push(token);
  }

 private:
  DecodeStage* next_ = nullptr;
  const std::size_t* pushed_ = nullptr;
  std::size_t emitted_ = 0;
};

/// Describes a decoder. Immutable.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Appends fresh stages. `fused` says that the tokens which arrive are parts of one long token, and is
  /// updated.
  virtual void add_stages(std::vector<std::unique_ptr<DecodeStage>>& stages, bool& fused) const = 0;
};

/// Builds from the object {"type": …}. @throws core::Error{kRequest}: malformed, or of a type that is not
/// supported.
std::unique_ptr<const Decoder> make_decoder(const JsonView& view);

/// One decoding from start to end.
class DecodeRun {
 public:
  /// @param decoder null: tokens are joined with spaces, as `tokenizers` does.
  explicit DecodeRun(const Decoder* decoder);
  DecodeRun(const DecodeRun&) = delete;  // its stages point into it
  DecodeRun& operator=(const DecodeRun&) = delete;
  void push(std::string_view token) {
    pushed_ += token.size() + 1;  // an empty token may become a space
    stages_.front()->push(token);
  }
  void finish();
  /// Text that is final, given out once. Well-formed UTF-8.
  std::string take();

 private:
  std::vector<std::unique_ptr<DecodeStage>> stages_;
  std::size_t pushed_ = 0;
  std::string out_;
};

}  // namespace attune::text
