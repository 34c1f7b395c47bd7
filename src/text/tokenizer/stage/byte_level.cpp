#include "text/tokenizer/stage/byte_level.h"

#include <array>

#include "text/unicode.h"

namespace attune::text {
namespace {

constexpr bool is_visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Tables {
  std::array<char32_t, 256> to_char{};
  std::array<short, 0x144> to_byte{};
};

/// Printable Latin-1 bytes are themselves; the other 68 follow from U+0100 in ascending order.
constexpr Tables make_tables() {
  Tables tables;
  tables.to_byte.fill(-1);
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    tables.to_char[byte] = is_visible(byte) ? static_cast<char32_t>(byte) : next++;
    tables.to_byte[tables.to_char[byte]] = static_cast<short>(byte);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

void append_visible_bytes(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) append_utf8(out, kTables.to_char[static_cast<unsigned char>(byte)]);
}

int byte_of_visible(char32_t c) { return c < kTables.to_byte.size() ? kTables.to_byte[c] : -1; }

void append_token_bytes(std::string& out, std::string_view token) {
  const std::size_t start = out.size();
  for (std::string_view rest = token; !rest.empty();) {
    const CodePoint c = next_code_point(rest);
    const int byte = byte_of_visible(c.value);
    if (byte < 0) {
      out.resize(start);
      out += token;
      return;
    }
    out.push_back(static_cast<char>(byte));
    rest.remove_prefix(c.length);
  }
}

}  // namespace attune::text
