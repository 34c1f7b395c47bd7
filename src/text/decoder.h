// Decoders of tokenizer.json: tokens to text. Written as streams, so that decoding all at once and decoding
// token by token are the same code and give the same text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_view.h"

namespace attune::text {

/// One step of a decoder at work: takes tokens in order, hands what becomes of them to the next step.
class DecodeStage {
 public:
  virtual ~DecodeStage() = default;
  virtual void push(std::string_view token) = 0;
  /// No more tokens follow: hands on what was held back. Does not call the next stage's finish().
  virtual void finish() {}
  void set_next(DecodeStage* next) { next_ = next; }

 protected:
  void emit(std::string_view token) {
    if (next_ != nullptr) next_->push(token);
  }

 private:
  DecodeStage* next_ = nullptr;
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
  void push(std::string_view token) { stages_.front()->push(token); }
  void finish();
  /// Text that is final, given out once. Well-formed UTF-8.
  std::string take();

 private:
  std::vector<std::unique_ptr<DecodeStage>> stages_;
  std::string out_;
};

}  // namespace attune::text
