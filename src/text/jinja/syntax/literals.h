// Numbers and strings as template source writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace attune::text::jinja {

struct NumberLiteral {
  std::size_t size = 0;  ///< bytes read; 0 if there is no number
  bool real = false;
  bool overflow = false;
  std::int64_t integer = 0;
  double number = 0;
};
/// The number at the start of `text`. After a point (`x.0.1`) only integers are read.
NumberLiteral read_number(std::string_view text, bool real_allowed);

/// Resolves the escapes of a string literal as Python's "unicode-escape" does.
/// @throws Failure{kSyntax}
std::string unescape(std::string_view text, int line);

}  // namespace attune::text::jinja
