// The visible alphabet of byte-level tokenizers (GPT-2): every byte is written as one printable character.
#pragma once

#include <string>
#include <string_view>

namespace attune::text {

/// Appends every byte of `bytes` as its visible character (space → "Ġ", newline → "Ċ").
void append_visible_bytes(std::string& out, std::string_view bytes);

/// The byte that `c` stands for, or -1.
int byte_of_visible(char32_t c);

/// Appends the bytes that `token` stands for; the token's own UTF-8 if any of its characters stands for none
/// (added tokens are written as they are).
void append_token_bytes(std::string& out, std::string_view token);

}  // namespace attune::text
