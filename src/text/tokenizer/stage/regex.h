// Regular expressions with the meaning that they have in tokenizer.json: Oniguruma's Ruby syntax, run by
// PCRE2's JIT.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace attune::text {

/// Where a pattern matched, in bytes.
struct Match {
  std::size_t begin, end;
};

/// Memory that matching needs. Not for two threads at once.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  RegexScratch& operator=(RegexScratch&&) noexcept;

  /// A new text of that many bytes: patterns get their full time again, and what becomes of the text may be
  /// as long as `text_growth_limit` says.
  void begin_text(std::size_t bytes);
  /// @throws core::Error{kRequest} when a text has grown to more bytes than that. Rules of a file may follow
  /// each other in any number, so that a few that each make two characters of one fill any memory.
  void check_growth(std::size_t bytes) const;

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
  friend class Regex;
};

/// The most bytes that a tokenizer's rules may make of so many: far beyond what any real one does (Unicode's
/// normal forms up to 11 times, visible bytes 2, replacements of one character by a word).
constexpr std::size_t text_growth_limit(std::size_t bytes) { return (std::size_t{64} << 10) + 64 * bytes; }
[[noreturn]] void fail_growth(std::size_t limit);

/// A compiled pattern. Immutable: may be used by many threads, each with its own scratch.
class Regex {
 public:
  /// @param where names the pattern's source in messages.
  /// @throws core::Error{kRequest}: the pattern is malformed, or uses syntax that PCRE2 cannot express.
  Regex(std::string_view pattern, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// First match at or after `from`. `text` must be well-formed UTF-8, `from` the start of a character.
  /// @throws core::Error{kRequest} when the pattern backtracks beyond all bounds on this text, or when
  /// searching has taken unreasonably long since `renew_time`.
  bool find(std::string_view text, std::size_t from, RegexScratch& scratch, Match& match) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

/// The PCRE2 pattern that matches what Oniguruma would: `\s` is White_Space, `\p{Han}` the script itself,
/// `\h` a hex digit, `(?m)` dot-all … @throws core::Error{kRequest} for nested character classes and
/// intersections.
std::string to_pcre2(std::string_view pattern, const std::string& where);

}  // namespace attune::text
