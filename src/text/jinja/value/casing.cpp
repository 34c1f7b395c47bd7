// Upper and lower case, and the questions str.isupper and its kin ask.
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>
#include <unicode/utypes.h>

#include <memory>
#include <stdexcept>

#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

using Converter = std::int32_t (*)(const UCaseMap*, char*, std::int32_t, const char*, std::int32_t,
                                   UErrorCode*);

std::string convert(std::string_view text, Converter converter, std::uint32_t options = 0) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UCaseMap, void (*)(UCaseMap*)> map(ucasemap_open("", options, &status),
                                                           ucasemap_close);
  if (U_FAILURE(status)) throw std::runtime_error(u_errorName(status));
  std::string out(text.size() * 3 + 16, '\0');  // full case mapping grows text at most threefold
  const auto size = converter(map.get(), out.data(), static_cast<std::int32_t>(out.size()), text.data(),
                              static_cast<std::int32_t>(text.size()), &status);
  if (U_FAILURE(status)) throw std::runtime_error(u_errorName(status));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::int32_t to_title(const UCaseMap* map, char* out, std::int32_t capacity, const char* text,
                      std::int32_t size, UErrorCode* status) {
  return ucasemap_utf8ToTitle(const_cast<UCaseMap*>(map), out, capacity, text, size, status);
}

std::string upper(std::string_view text) {
  if (!is_ascii(text)) return convert(text, ucasemap_utf8ToUpper);
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

std::string lower(std::string_view text) {
  if (!is_ascii(text)) return convert(text, ucasemap_utf8ToLower);
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string title_of(std::string_view character) {
  if (is_ascii(character)) return upper(character);
  return convert(character, to_title, U_TITLECASE_NO_BREAK_ADJUSTMENT | U_TITLECASE_NO_LOWERCASE);
}

bool is_cased(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED); }

/// str.title: the first cased letter of every run in title case, the others in lower case.
std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    const char32_t c = next_code_point(text, i);
    const std::string_view character = text.substr(start, i - start);
    out += inside ? lower(character) : title_of(character);
    inside = is_cased(c);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  std::size_t first = 0;
  next_code_point(text, first);
  return title_of(text.substr(0, first)) + lower(text.substr(first));
}

std::string swap(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    const auto c = static_cast<UChar32>(next_code_point(text, i));
    const std::string_view character = text.substr(start, i - start);
    if (u_hasBinaryProperty(c, UCHAR_UPPERCASE))
      out += lower(character);
    else if (u_hasBinaryProperty(c, UCHAR_LOWERCASE))
      out += upper(character);
    else
      out += character;
  }
  return out;
}

bool matches(char32_t character, Class what) {
  const auto c = static_cast<UChar32>(character);
  const auto numeric = static_cast<UNumericType>(u_getIntPropertyValue(c, UCHAR_NUMERIC_TYPE));
  const bool alpha = (U_GET_GC_MASK(c) & U_GC_L_MASK) != 0;
  switch (what) {
    case Class::kAlnum:
      return alpha || numeric != U_NT_NONE;
    case Class::kAlpha:
      return alpha;
    case Class::kDecimal:
      return numeric == U_NT_DECIMAL;
    case Class::kDigit:
      return numeric == U_NT_DECIMAL || numeric == U_NT_DIGIT;
    case Class::kNumeric:
      return numeric != U_NT_NONE;
    case Class::kPrintable:
      return is_printable(character);
    case Class::kSpace:
      return is_space(character);
    default:
      return character < 0x80;
  }
}

bool is_cased_as(std::string_view text, bool want_upper) {
  bool any = false;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, i));
    const bool is_upper = u_hasBinaryProperty(c, UCHAR_UPPERCASE),
               is_lower = u_hasBinaryProperty(c, UCHAR_LOWERCASE);
    if ((want_upper ? is_lower : is_upper) || u_charType(c) == U_TITLECASE_LETTER) return false;
    any = any || (want_upper ? is_upper : is_lower);
  }
  return any;
}

bool is_title(std::string_view text) {
  bool any = false, inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, i));
    const bool head = u_hasBinaryProperty(c, UCHAR_UPPERCASE) || u_charType(c) == U_TITLECASE_LETTER;
    const bool tail = u_hasBinaryProperty(c, UCHAR_LOWERCASE);
    if ((head && inside) || (tail && !inside)) return false;
    inside = head || tail;
    any = any || inside;
  }
  return any;
}

}  // namespace

std::string change_case(std::string_view text, Casing casing) {
  switch (casing) {
    case Casing::kUpper:
      return upper(text);
    case Casing::kLower:
      return lower(text);
    case Casing::kTitle:
      return title(text);
    case Casing::kCapitalize:
      return capitalize(text);
    case Casing::kSwap:
      return swap(text);
    case Casing::kFold:
      return is_ascii(text) ? lower(text) : convert(text, ucasemap_utf8FoldCase);
  }
  return std::string(text);
}

bool all_are(std::string_view text, Class what) {
  if (what == Class::kUpper || what == Class::kLower) return is_cased_as(text, what == Class::kUpper);
  if (what == Class::kTitle) return is_title(text);
  for (std::size_t i = 0; i < text.size();)
    if (!matches(next_code_point(text, i), what)) return false;
  return !text.empty() || what == Class::kAscii || what == Class::kPrintable;
}

}  // namespace attune::text::jinja
