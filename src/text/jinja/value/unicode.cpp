#include "text/jinja/value/unicode.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace attune::text::jinja {

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) {
    ++at;
    return byte;
  }
  UChar32 c = 0;
  std::size_t i = at;
  U8_NEXT(text.data(), i, text.size(), c);
  if (c < 0) {
    ++at;
    return 0xFFFD;
  }
  at = i;
  return static_cast<char32_t>(c);
}

char32_t previous_code_point(std::string_view text, std::size_t& at) {
  std::size_t start = at - 1;
  while (start > 0 && at - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  std::size_t end = start;
  const char32_t c = next_code_point(text, end);
  if (end != at) {
    --at;
    return 0xFFFD;
  }
  at = start;
  return c;
}

void append_code_point(std::string& out, char32_t code_point) {
  char bytes[4];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, static_cast<UChar32>(code_point));
  out.append(bytes, static_cast<std::size_t>(size));
}

std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  offsets.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) offsets.push_back(i);
  offsets.push_back(text.size());
  return offsets;
}

std::size_t byte_offset(std::string_view text, bool ascii, std::size_t index) {
  if (ascii) return std::min(index, text.size());
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (seen++ == index) return i;
  }
  return text.size();
}

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, text.size(), c);
    if (c < 0) return false;
  }
  return true;
}

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  constexpr std::uint32_t kHidden = U_GC_C_MASK | U_GC_Z_MASK;  // others and separators
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & kHidden) == 0;
}

bool is_word(char32_t c) {
  if (c < 0x80) return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

bool is_identifier_part(char32_t c) {
  return is_word(c) || (c >= 0x80 && u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_XID_CONTINUE));
}

bool is_identifier(std::string_view text) {
  if (text.empty()) return false;
  for (std::size_t i = 0; i < text.size();) {
    const bool first = i == 0;
    const auto c = static_cast<UChar32>(next_code_point(text, i));
    if (c == '_') continue;
    if (!u_hasBinaryProperty(c, first ? UCHAR_XID_START : UCHAR_XID_CONTINUE)) return false;
  }
  return true;
}

int digit_value(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9' ? static_cast<int>(c - '0') : -1;
  return u_charDigitValue(static_cast<UChar32>(c));
}

std::string_view strip(std::string_view text, const std::string* characters, bool left, bool right) {
  const auto drops = [&](char32_t c) {
    if (!characters) return is_space(c);
    std::string one;
    append_code_point(one, c);
    return characters->find(one) != std::string::npos;
  };
  std::size_t first = 0, last = text.size();
  for (std::size_t i = first; left && i < text.size();) {
    if (!drops(next_code_point(text, i))) break;
    first = i;
  }
  for (std::size_t i = last; right && i > first;) {
    if (!drops(previous_code_point(text, i))) break;
    last = i;
  }
  return text.substr(first, last - first);
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = i;
    const char32_t c = next_code_point(text, i);
    if (!is_line_break(c)) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(start, (keep_ends ? i : end) - start));
    start = i;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace attune::text::jinja
