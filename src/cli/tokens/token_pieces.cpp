#include "cli/tokens/token_pieces.h"

#include <fmt/format.h>

namespace attune::cli {

std::string visible(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters as well, in two bytes.
    const bool second = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte == '\n')
      out += "\\n";
    else if (byte == '\t')
      out += "\\t";
    else if (byte == '\r')
      out += "\\r";
    else if (byte < 0x20 || byte == 0x7F)
      out += fmt::format("\\x{:02x}", byte);
    else if (second)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    else
      out += text[i];
  }
  return out;
}

std::string written_token(std::int32_t id, const text::Tokenizer& tokenizer) {
  const std::string token = tokenizer.token(id);
  return token.empty() ? fmt::format("<{}>", id) : token;
}

std::vector<std::string> token_pieces(std::span<const std::int32_t> context,
                                      std::span<const std::int32_t> ids, const data::TextCodec& codec) {
  std::vector<std::string> pieces;
  if (!codec.tokenizer) {
    for (const std::int32_t id : ids) pieces.push_back(std::to_string(id));
    return pieces;
  }
  text::StreamDecoder decoder(*codec.tokenizer);
  for (const std::int32_t id : context) decoder.push(id);
  for (const std::int32_t id : ids) {
    const std::string text = decoder.push(id);
    pieces.push_back(text.empty() ? visible(written_token(id, *codec.tokenizer)) : "'" + visible(text) + "'");
  }
  return pieces;
}

}  // namespace attune::cli
