// Pre-tokenizers of tokenizer.json: cut text into the pieces that the model sees one by one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/json_view.h"
#include "text/tokenizer/stage/regex.h"
#include "text/tokenizer/stage/sourced_text.h"
#include "text/unicode.h"

namespace attune::text {

/// Text cut into consecutive, non-empty pieces. Bytes between pieces have been removed.
class Pieces {
 public:
  struct Range {
    std::size_t begin, end;
  };

  /// @param at_start whether this is the start of the whole text (Metaspace "first" asks).
  Pieces(SourcedText text, bool at_start);

  std::size_t size() const { return ranges_.size(); }
  std::string_view operator[](std::size_t i) const { return view(ranges_[i]); }
  /// Whether piece `i` starts where the whole text starts.
  bool is_first(std::size_t i) const { return at_start_ && i == 0 && ranges_[0].begin == 0; }

  /// Cuts every piece: `cut(piece, add)` calls `add(begin, end)` for the parts that remain, in order.
  template <class Cut>
  void cut_each(Cut&& cut) {
    std::vector<Range> parts;
    parts.reserve(ranges_.size() * 2);
    for (const Range& range : ranges_) {
      cut(view(range), [&](std::size_t begin, std::size_t end) {
        if (end > begin) parts.push_back({range.begin + begin, range.begin + end});
      });
    }
    ranges_ = std::move(parts);
  }

  /// Where bytes of piece `i` came from; only of a text that keeps places.
  TextSpan place(std::size_t i, TextSpan bytes) const {
    return text_.place(ranges_[i].begin + bytes.first, ranges_[i].begin + bytes.second);
  }

  /// Rewrites every piece: `prefix(index, piece)` is put before it and takes the place of its first
  /// character; `rewrite(part, out)` appends what becomes of any part of it, which is made of whole
  /// characters.
  template <class Prefix, class Rewrite>
  void rewrite_each(RegexScratch& scratch, Prefix&& prefix, Rewrite&& rewrite) {
    SourcedText text = SourcedText::instead_of(text_);
    if (!ranges_.empty() && ranges_[0].begin > 0)
      text.append(" ", text_.place_before(0));  // keeps is_first() false where it was
    std::vector<Range> ranges;
    ranges.reserve(ranges_.size());
    std::string out;
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      const auto [first, last] = ranges_[i];
      const std::size_t begin = text.text().size();
      text.append(prefix(i, view(ranges_[i])), text_.place_before(first + 1));
      for (std::size_t at = first; at < last;) {
        const std::string_view rest = view({at, last});
        const std::size_t length = text_.keeps_places() ? next_code_point(rest).length : rest.size();
        out.clear();
        rewrite(rest.substr(0, length), out);
        text.append(out, text_.place_before(at + 1));
        at += length;
      }
      scratch.check_growth(text.text().size());
      ranges.push_back({begin, text.text().size()});
    }
    ranges_ = std::move(ranges);
    text_ = std::move(text);
  }

 private:
  std::string_view view(const Range& range) const {
    return std::string_view(text_.text()).substr(range.begin, range.end - range.begin);
  }

  SourcedText text_;
  std::vector<Range> ranges_;
  bool at_start_;
};

/// One step, or a sequence of steps. Immutable.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces, RegexScratch& scratch) const = 0;
};

/// Builds from the object {"type": …}. @throws core::Error{kRequest}: malformed, or of a type that is not
/// supported.
std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const JsonView& view);

}  // namespace attune::text
