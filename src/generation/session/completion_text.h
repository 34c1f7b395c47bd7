// The text of a completion while it grows: decoding, stop texts, and what may already be shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/tokenizer.h"

namespace attune::generation {

class CompletionText {
 public:
  /// @param stops not empty texts; must outlive this object.
  CompletionText(const text::Tokenizer& tokenizer, const std::vector<std::string>& stops);

  /// Takes the next token. True if the text now holds a stop text: it is cut before the first one.
  bool push(std::int32_t id);
  /// Takes what the decoder held back; no more tokens follow. True as for push.
  bool finish();

  /// The whole text so far.
  const std::string& text() const { return text_; }
  /// Text not given out yet that no later token can take back (it might be the beginning of a stop text, or
  /// of a character). After finish() or a stop: all the rest.
  std::string_view take_new();

 private:
  bool append(const std::string& piece);
  std::size_t held_back() const;

  text::StreamDecoder decoder_;
  const std::vector<std::string>* stops_;
  std::string text_;
  std::size_t taken_ = 0;
  bool finished_ = false;
};

}  // namespace attune::generation
