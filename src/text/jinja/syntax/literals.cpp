#include "text/jinja/syntax/literals.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "text/jinja/value/limits.h"
#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

/// End of `digit(_?digit)*` at `at`; `at` if there is no digit.
std::size_t digits_end(std::string_view text, std::size_t at, int base) {
  std::size_t end = at;
  for (std::size_t i = at; i < text.size();) {
    if (text[i] == '_' && i > at) ++i;
    if (i >= text.size() || hex_digit(text[i]) >= base) break;
    end = ++i;
  }
  return end;
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  out.erase(std::remove(out.begin(), out.end(), '_'), out.end());
  return out;
}

/// End of a float literal, or 0.
std::size_t real_end(std::string_view text) {
  std::size_t end = digits_end(text, 0, 10);
  if (end == 0) return 0;
  bool real = false;
  if (end < text.size() && text[end] == '.') {
    const std::size_t fraction = digits_end(text, end + 1, 10);
    if (fraction > end + 1) {
      end = fraction;
      real = true;
    }
  }
  if (end < text.size() && (text[end] | 32) == 'e') {
    std::size_t start = end + 1;
    if (start < text.size() && (text[start] == '+' || text[start] == '-')) ++start;
    const std::size_t exponent = digits_end(text, start, 10);
    if (exponent > start) {
      end = exponent;
      real = true;
    }
  }
  return real ? end : 0;
}

std::size_t integer_end(std::string_view text, int& base) {
  base = 10;
  if (text.empty() || text[0] < '0' || text[0] > '9') return 0;
  if (text[0] != '0') return digits_end(text, 0, 10);
  const char mark = text.size() > 1 ? static_cast<char>(text[1] | 32) : '\0';
  const int marked = mark == 'b' ? 2 : mark == 'o' ? 8 : mark == 'x' ? 16 : 0;
  if (marked) {
    const std::size_t start = text.size() > 2 && text[2] == '_' ? 3 : 2;
    const std::size_t end = digits_end(text, start, marked);
    if (end > start) {
      base = marked;
      return end;
    }
  }
  return digits_end(text, 0, 1);  // zeros
}

class Unescaper {
 public:
  Unescaper(std::string text, int line) : text_(std::move(text)), line_(line) {}

  std::string run() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c != '\\')
        out_ += c;
      else if (at_ == text_.size())
        fail("\\ at end of string");
      else
        escape(text_[at_++]);
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Failure(FailureKind::kSyntax, message, line_);
  }

  void escape(char c) {
    static constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
    if (c == '\n') return;
    if (const auto at = kFrom.find(c); at != std::string_view::npos)
      out_ += kTo[at];
    else if (c >= '0' && c <= '7')
      octal(c);
    else if (c == 'x')
      code(2);
    else if (c == 'u')
      code(4);
    else if (c == 'U')
      code(8);
    else if (c == 'N')
      named();
    else
      (out_ += '\\') += c;
  }

  void octal(char first) {
    char32_t value = static_cast<char32_t>(first - '0');
    for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++i)
      value = value * 8 + static_cast<char32_t>(text_[at_++] - '0');
    append_code_point(out_, value);
  }

  void code(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      if (at_ >= text_.size() || hex_digit(text_[at_]) >= 16) fail("truncated \\x, \\u or \\U escape");
      value = value * 16 + static_cast<char32_t>(hex_digit(text_[at_++]));
      if (value > 0x10FFFF) fail("illegal Unicode character");
    }
    if (value >= 0xD800 && value < 0xE000)
      fail("a surrogate escape stands for no character; write \\UXXXXXXXX");
    append_code_point(out_, value);
  }

  void named() {
    const std::size_t end = text_.find('}', at_);
    if (at_ >= text_.size() || text_[at_] != '{' || end == std::string::npos)
      fail("malformed \\N character escape");
    UErrorCode status = U_ZERO_ERROR;
    const UChar32 c =
        u_charFromName(U_EXTENDED_CHAR_NAME, text_.substr(at_ + 1, end - at_ - 1).c_str(), &status);
    if (U_FAILURE(status)) fail("unknown Unicode character name");
    append_code_point(out_, static_cast<char32_t>(c));
    at_ = end + 1;
  }

  std::string text_, out_;
  std::size_t at_ = 0;
  int line_;
};

/// A backslash before a character beyond ASCII escapes that character's own escape, as in Python, where such
/// characters are first written as escapes.
std::string with_escaped_letters(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    next_code_point(text, i);
    if (text[start] != '\\' || i >= text.size()) {
      out += text.substr(start, i - start);
      continue;
    }
    const auto c = static_cast<unsigned>(next_code_point(text, i));
    if (c < 0x80)
      out += text.substr(start, i - start);
    else
      out += c < 0x100     ? fmt::format("\\\\x{:02x}", c)
             : c < 0x10000 ? fmt::format("\\\\u{:04x}", c)
                           : fmt::format("\\\\U{:08x}", c);
  }
  return out;
}

}  // namespace

NumberLiteral read_number(std::string_view text, bool real_allowed) {
  NumberLiteral out;
  if (const std::size_t end = real_allowed ? real_end(text) : 0; end > 0) {
    out.size = end;
    out.real = true;
    out.number = std::strtod(without_underscores(text.substr(0, end)).c_str(), nullptr);
    return out;
  }
  int base = 10;
  out.size = integer_end(text, base);
  if (out.size == 0) return out;
  const std::string digits =
      without_underscores(text.substr(base == 10 ? 0 : 2, out.size - (base == 10 ? 0 : 2)));
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), out.integer, base);
  out.overflow = result.ec != std::errc();
  return out;
}

std::string unescape(std::string_view text, int line) {
  return Unescaper(with_escaped_letters(text), line).run();
}

std::optional<std::int64_t> parse_int(std::string_view text, int base) {
  std::string digits;
  text = strip(text, nullptr, true, true);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text = text.substr(1);
  }
  const auto has_mark = [&](char mark) {
    return text.size() > 2 && text[0] == '0' && (text[1] | 32) == mark;
  };
  const int marked = has_mark('x') ? 16 : has_mark('o') ? 8 : has_mark('b') ? 2 : 0;
  if (marked && (base == marked || base == 0)) {
    base = marked;
    text = text.substr(text[2] == '_' ? 3 : 2);
  } else if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string_view::npos)
      return std::nullopt;
  }
  if (base < 2 || base > 36 || text.empty() || text.back() == '_') return std::nullopt;
  bool underscore = true;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (c == '_' && underscore) return std::nullopt;
    underscore = c == '_';
    if (underscore) continue;
    const int value = c < 0x80 ? hex_digit(static_cast<char>(c)) : digit_value(c);
    if (value < 0 || value >= base) return std::nullopt;
    digits += "0123456789abcdefghijklmnopqrstuvwxyz"[value];
  }
  if (negative) digits.insert(0, "-");
  std::int64_t number = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (result.ec == std::errc::result_out_of_range)
    throw Failure(FailureKind::kOverflow, "the integer goes beyond 64 bits, which is not supported");
  return number;
}

std::optional<double> parse_float(std::string_view text) {
  std::string plain;
  text = strip(text, nullptr, true, true);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    const char32_t c = next_code_point(text, i);
    const bool inside = start > 0 && i < text.size() && text[start - 1] >= '0' && text[start - 1] <= '9' &&
                        text[i] >= '0' && text[i] <= '9';
    if (c == '_' && inside) continue;
    const int digit = digit_value(c);
    plain += digit >= 0 ? std::string(1, static_cast<char>('0' + digit))
                        : std::string(text.substr(start, i - start));
  }
  if (plain.empty() || plain.find_first_of("xXpP(") != std::string::npos ||
      is_space(static_cast<unsigned char>(plain[0])))
    return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(plain.c_str(), &end);
  if (end != plain.c_str() + plain.size()) return std::nullopt;
  return number;
}

}  // namespace attune::text::jinja
