// Regular expressions as users write them (Perl syntax, PCRE2), with bounded matching.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace attune::core {

/// Movable; one thread at a time may match.
class Pattern {
 public:
  struct Limits {
    bool ignore_case = false;
    /// Of a match from one place of the text: milliseconds, plenty for patterns that do not explode.
    std::uint32_t steps = 1'000'000;
  };
  /// @param where what the pattern comes from, for messages
  /// @throws Error{kRequest}: the pattern is malformed.
  Pattern(std::string pattern, std::string where) : Pattern(std::move(pattern), std::move(where), Limits()) {}
  Pattern(std::string pattern, std::string where, Limits limits);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  enum class Part { kSomewhere, kWhole };
  enum class Found { kNo, kYes, kGaveUp };  ///< kGaveUp: too much backtracking on this text
  /// @param part whether the match may lie anywhere in the text or must be all of it
  Found match(std::string_view text, Part part) const;
  /// The same where giving up is an error. @throws Error{kRequest}
  bool matches(std::string_view text, Part part) const;

 private:
  struct Code;
  /// PCRE2's answer: negative when there is no match.
  int run(std::string_view text, Part part) const;
  std::string pattern_, where_;
  std::unique_ptr<Code> code_;
};

}  // namespace attune::core
