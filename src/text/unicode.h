// UTF-8 and the character classes that tokenizers ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text {

/// A code point and how many bytes it took.
struct CodePoint {
  char32_t value;
  std::uint32_t length;
};

/// Length of the well-formed UTF-8 sequence at the start of `bytes`; 0 if there is none.
std::uint32_t utf8_length(std::string_view bytes);

/// Reads the first code point of well-formed, non-empty UTF-8.
CodePoint next_code_point(std::string_view text);
/// Reads the last code point of well-formed, non-empty UTF-8.
CodePoint last_code_point(std::string_view text);

void append_utf8(std::string& out, char32_t value);

/// How many leading bytes of `bytes` are well-formed.
std::size_t valid_utf8_prefix(std::string_view bytes);

/// Whether `bytes`, which does not start with a well-formed sequence, is a proper prefix of one: more bytes
/// may complete it. Otherwise `ill_formed_length` bytes can be replaced by one U+FFFD.
bool is_incomplete_utf8(std::string_view bytes);

/// Length of the maximal subpart of an ill-formed sequence at the start of `bytes` (at least 1): what becomes
/// one U+FFFD (Unicode 3.9, "best practice", as Python's errors="replace" and Rust's from_utf8_lossy).
std::uint32_t ill_formed_length(std::string_view bytes);

/// `bytes` with every ill-formed part replaced by U+FFFD.
std::string repair_utf8(std::string_view bytes);

bool is_ascii(std::string_view text);

// Unicode properties (ICU). `tokenizers` takes some of them from tables of older Unicode versions; characters
// that came later have no properties there, and the same is true here (checked over all of Unicode by the
// golden tests).
bool is_white_space(char32_t c);         ///< White_Space: 25 code points, not U+180E
bool is_numeric(char32_t c);             ///< Nd, Nl, No
bool is_word(char32_t c);                ///< \w of Rust: Alphabetic, M, Nd, Pc, Join_Control
bool is_punctuation(char32_t c);         ///< P of Unicode 8, and ASCII symbols
bool is_control_or_private(char32_t c);  ///< Cc, Cf, Co of Unicode 8
bool is_mark(char32_t c);                ///< M of Unicode 9
bool is_nonspacing_mark(char32_t c);     ///< Mn of Unicode 8

/// Full lower-casing of one character without context (only U+0130 becomes two characters).
void append_lowercase(std::string& out, char32_t c);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
/// Unicode normal form of well-formed text, by Unicode 9: characters that came later stay as they are.
std::string to_normal_form(std::string_view text, NormalForm form);
/// The same, slower, with for each byte of the result the byte of `text` whose character it comes from: of
/// what is composed the first, and where marks change places the one that stood there, as `tokenizers` counts
/// them.
std::string to_normal_form(std::string_view text, NormalForm form, std::vector<std::size_t>& sources);

}  // namespace attune::text
