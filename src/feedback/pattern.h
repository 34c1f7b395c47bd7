// Regular expressions as users write them (Perl syntax, PCRE2), with bounded matching.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace attune::feedback {

class Pattern {
 public:
  /// @throws Error{kRequest}: the pattern is malformed.
  Pattern(const std::string& pattern, bool ignore_case, const std::string& where);
  ~Pattern();

  enum class Found { kNo, kYes, kGaveUp };  ///< kGaveUp: too much backtracking on this text
  /// @param whole the match must be the whole text
  Found match(std::string_view text, bool whole) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace attune::feedback
