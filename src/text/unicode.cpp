#include "text/unicode.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <cstring>

namespace attune::text {
namespace {

/// How many bytes a sequence with this first byte has, and which second bytes are allowed (Unicode table
/// 3-7).
struct Lead {
  std::uint32_t length;
  unsigned char second_low, second_high;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// How many of the first bytes fit a sequence, and the length that the whole sequence would have.
struct Fit {
  std::uint32_t fitting, needed;
};

Fit fit_of(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const Lead lead = lead_of(at(0));
  if (lead.length <= 1) return {lead.length, lead.length};
  if (bytes.size() < 2 || at(1) < lead.second_low || at(1) > lead.second_high) return {1, lead.length};
  std::uint32_t fitting = 2;
  while (fitting < lead.length && fitting < bytes.size() && (at(fitting) & 0xC0) == 0x80) ++fitting;
  return {fitting, lead.length};
}

bool in_category(char32_t c, std::uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0;
}

/// Whether the character was assigned in that version of Unicode.
bool existed_in(char32_t c, std::uint8_t major) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > 0 && (age[0] < major || (age[0] == major && age[1] == 0));
}

}  // namespace

std::uint32_t utf8_length(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const Fit fit = fit_of(bytes);
  return fit.fitting == fit.needed ? fit.needed : 0;
}

bool is_incomplete_utf8(std::string_view bytes) {
  if (bytes.empty()) return false;
  const Fit fit = fit_of(bytes);
  return fit.fitting < fit.needed && fit.fitting == bytes.size();
}

std::uint32_t ill_formed_length(std::string_view bytes) { return std::max(1U, fit_of(bytes).fitting); }

CodePoint next_code_point(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t first = at(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | (at(1) & 0x3F), 2};
  if (first < 0xF0) return {(first & 0x0F) << 12 | (at(1) & 0x3F) << 6 | (at(2) & 0x3F), 3};
  return {(first & 0x07) << 18 | (at(1) & 0x3F) << 12 | (at(2) & 0x3F) << 6 | (at(3) & 0x3F), 4};
}

CodePoint last_code_point(std::string_view text) {
  std::size_t start = text.size() - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return next_code_point(text.substr(start));
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

std::size_t valid_utf8_prefix(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::uint64_t block;  // eight ASCII bytes at a time: most text
    if (at + 8 <= bytes.size() &&
        (std::memcpy(&block, bytes.data() + at, 8), (block & 0x8080808080808080ULL) == 0)) {
      at += 8;
      continue;
    }
    const std::uint32_t length = utf8_length(bytes.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return at;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t good = valid_utf8_prefix(bytes);
    out.append(bytes.substr(0, good));
    bytes.remove_prefix(good);
    if (bytes.empty()) break;
    append_utf8(out, 0xFFFD);
    bytes.remove_prefix(ill_formed_length(bytes));
  }
  return out;
}

bool is_ascii(std::string_view text) {
  std::size_t at = 0;
  for (std::uint64_t block; at + 8 <= text.size(); at += 8) {
    std::memcpy(&block, text.data() + at, 8);
    if ((block & 0x8080808080808080ULL) != 0) return false;
  }
  for (; at < text.size(); ++at) {
    if (static_cast<unsigned char>(text[at]) >= 0x80) return false;
  }
  return true;
}

bool is_white_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }
bool is_numeric(char32_t c) { return in_category(c, U_GC_ND_MASK | U_GC_NL_MASK | U_GC_NO_MASK); }
bool is_word(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  return in_category(c, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) || u_isUAlphabetic(code) != 0 ||
         u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) != 0;
}
bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
           (c >= 0x7B && c <= 0x7E);
  // These two were punctuation in Unicode 8 and are not any more.
  return (in_category(c, U_GC_P_MASK) && existed_in(c, 8)) || c == 0x166D || c == 0x111C9;
}
bool is_control_or_private(char32_t c) {
  return in_category(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK) && existed_in(c, 8);
}
// The exceptions have changed their category since.
bool is_mark(char32_t c) {
  return (in_category(c, U_GC_M_MASK) && existed_in(c, 9) && c != 0x111C9) || c == 0x1CF2 || c == 0x1CF3;
}
bool is_nonspacing_mark(char32_t c) {
  const bool changed = c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9;
  return (in_category(c, U_GC_MN_MASK) && existed_in(c, 8) && !changed) || c == 0x1734;
}

void append_lowercase(std::string& out, char32_t c) {
  if (c == 0x130) {
    out += "i\xCC\x87";
  } else {
    append_utf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
  }
}

}  // namespace attune::text
