// Pre-tokenizers of tokenizer.json: cut text into the pieces that the model sees one by one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/json_view.h"
#include "text/tokenizer/stage/regex.h"

namespace attune::text {

/// Text cut into consecutive, non-empty pieces. Bytes between pieces have been removed.
class Pieces {
 public:
  struct Range {
    std::size_t begin, end;
  };

  /// @param at_start whether this is the start of the whole text (Metaspace "first" asks).
  Pieces(std::string text, bool at_start);

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

  /// Rewrites every piece: `rewrite(index, piece, out)` appends its new text to `out`.
  template <class Rewrite>
  void rewrite_each(RegexScratch& scratch, Rewrite&& rewrite) {
    std::string text;
    text.reserve(text_.size() * 2);
    const std::size_t lead =
        !ranges_.empty() && ranges_[0].begin > 0 ? 1 : 0;  // keeps is_first() false where it was
    text.append(lead, ' ');
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      const std::size_t begin = text.size();
      rewrite(i, view(ranges_[i]), text);
      scratch.check_growth(text.size());
      new_ranges_.push_back({begin, text.size()});
    }
    ranges_.swap(new_ranges_);
    new_ranges_.clear();
    text_ = std::move(text);
  }

 private:
  std::string_view view(const Range& range) const {
    return std::string_view(text_).substr(range.begin, range.end - range.begin);
  }

  std::string text_;
  std::vector<Range> ranges_, new_ranges_;
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
