// A text that the rules of a tokenizer rewrite, and where each of its characters came from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/text_span.h"
#include "text/unicode.h"

namespace attune::text {

/// Knows, where that is asked for, the place in the source of every byte: the range of the character there
/// that it was made of. What is inserted takes the place of a character beside it, as in `tokenizers`.
class SourcedText {
 public:
  /// A text of which no places are kept.
  explicit SourcedText(std::string text) : text_(std::move(text)) {}
  /// A part of the source that begins at `start` there.
  static SourcedText placed(std::string text, std::size_t start);
  /// An empty text that is to take the place of `other`.
  static SourcedText instead_of(const SourcedText& other);

  const std::string& text() const { return text_; }
  bool keeps_places() const { return keeps_places_; }
  /// The place of the character that ends at (or before) a byte; an empty one at the start where there is
  /// none.
  TextSpan place_before(std::size_t byte) const;
  /// The place of a range of bytes, which is not empty.
  TextSpan place(std::size_t begin, std::size_t end) const {
    return {places_[begin].first, places_[end - 1].second};
  }

  void append(std::string_view text, TextSpan place);
  void append(const SourcedText& from, std::size_t begin, std::size_t end);
  SourcedText part(std::size_t begin, std::size_t end) const;

  /// Rewrites every character: `visit(out, character)` appends what becomes of it.
  template <class Visit>
  void each_character(Visit&& visit) {
    std::string out;
    out.reserve(text_.size());
    std::vector<TextSpan> places;
    for (std::size_t at = 0; at < text_.size();) {
      const CodePoint c = next_code_point(std::string_view(text_).substr(at));
      visit(out, c.value);
      if (keeps_places_) places.resize(out.size(), places_[at]);
      at += c.length;
    }
    text_ = std::move(out);
    places_ = std::move(places);
  }

  /// Takes a new text for the old one.
  /// @param sources for each byte of it the byte of the old text whose place it takes; not looked at where no
  /// places are kept
  void become(std::string text, const std::vector<std::size_t>& sources);

 private:
  std::string text_;
  std::vector<TextSpan> places_;  ///< [text]
  std::size_t start_ = 0;
  bool keeps_places_ = false;
};

}  // namespace attune::text
