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

  /// Grants patterns their full time again. Call once per text.
  void renew_time();

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
  friend class Regex;
};

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
