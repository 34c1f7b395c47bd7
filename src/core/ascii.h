// Letters and blanks of ASCII, for names, keywords and lines of files. Texts that people wrote need
// text/unicode.h.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace attune::core {

inline std::string lowercase(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

/// "Score-Chosen" → "score_chosen": as names are compared.
inline std::string snake_case(std::string_view name) {
  std::string out = lowercase(name);
  std::replace_if(out.begin(), out.end(), [](char c) { return c == '-' || c == ' '; }, '_');
  return out;
}

/// Without blanks at both ends.
inline std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n\f\v") {
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace attune::core
