// What normalizers, pre-tokenizers and decoders search for: a literal or a regular expression.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "text/tokenizer/json_view.h"
#include "text/tokenizer/stage/regex.h"

namespace attune::text {

class Pattern {
 public:
  /// Reads {"String": "…"} or {"Regex": "…"}. @throws core::Error{kRequest}
  static Pattern from_json(const JsonView& view);
  static Pattern literal(std::string text);
  static Pattern regex(std::string_view pattern, const std::string& where);

  /// Calls `visit(begin, end, is_match)` for consecutive ranges that cover `text`: matches (possibly empty)
  /// and the gaps between them.
  template <class Visit>
  void for_each_range(std::string_view text, RegexScratch& scratch, Visit&& visit) const {
    std::size_t done = 0, from = 0, last_end = std::string_view::npos;
    Match match{};
    while (from <= text.size() && next(text, from, scratch, match)) {
      if (match.end == match.begin && match.end == last_end) {
        from = after_character(text, match.end);  // no empty match right after a match
        continue;
      }
      if (match.begin > done) visit(done, match.begin, false);
      visit(match.begin, match.end, true);
      done = from = last_end = match.end;
    }
    if (done < text.size()) visit(done, text.size(), false);
  }

  /// `text` with every match replaced.
  std::string replace(std::string_view text, std::string_view with, RegexScratch& scratch) const;

  bool is_literal() const { return !regex_; }

 private:
  bool next(std::string_view text, std::size_t from, RegexScratch& scratch, Match& match) const;
  static std::size_t after_character(std::string_view text, std::size_t at);

  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace attune::text
