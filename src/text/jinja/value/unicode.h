// Code points of UTF-8 text, classified and cased as Python does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text::jinja {

/// Reads the code point at byte `at` and moves `at` behind it. Malformed bytes read as U+FFFD, one at a time.
char32_t next_code_point(std::string_view text, std::size_t& at);
/// Reads the code point that ends before byte `at` and moves `at` to its start.
char32_t previous_code_point(std::string_view text, std::size_t& at);
void append_code_point(std::string& out, char32_t code_point);
std::size_t code_points(std::string_view text);
/// Byte offsets of all code points, and the end.
std::vector<std::size_t> code_point_offsets(std::string_view text);
/// Byte offset of a code point index (text with only ASCII answers at once).
std::size_t byte_offset(std::string_view text, bool ascii, std::size_t index);
bool valid_utf8(std::string_view text);

bool is_space(char32_t c);       ///< str.isspace
bool is_line_break(char32_t c);  ///< str.splitlines
bool is_printable(char32_t c);   ///< str.isprintable
bool is_word(char32_t c);        ///< `\w`
bool is_identifier(std::string_view text);
bool is_identifier_part(char32_t c);

enum class Casing { kUpper, kLower, kTitle, kCapitalize, kSwap, kFold };
std::string change_case(std::string_view text, Casing casing);

enum class Class {
  kAlnum,
  kAlpha,
  kAscii,
  kDecimal,
  kDigit,
  kLower,
  kNumeric,
  kPrintable,
  kSpace,
  kTitle,
  kUpper
};
/// str.isalnum and so on.
bool all_are(std::string_view text, Class what);
/// Decimal digit of any script, or -1.
int digit_value(char32_t c);

/// Bytes without the code points in `characters` (whitespace if null) at the chosen ends.
std::string_view strip(std::string_view text, const std::string* characters, bool left, bool right);
/// str.splitlines
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace attune::text::jinja
