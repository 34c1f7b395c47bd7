// Tokens as pieces of the text that they stand in, safe to print on a terminal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokens/codec.h"

namespace attune::cli {

/// `text` with line ends, tabs and control characters written as \n, \t and \x1b; spaces stay.
std::string visible(std::string_view text);

/// The token as the vocabulary writes it; an id that it does not have as "<5000>".
std::string written_token(std::int32_t id, const text::Tokenizer& tokenizer);

/// The visible text of each of `ids`, in quotes, as they continue `context`. A token that completes no
/// character, or gives no text, is shown as the vocabulary writes it: <0xE2>. Without a tokenizer: the ids.
std::vector<std::string> token_pieces(std::span<const std::int32_t> context,
                                      std::span<const std::int32_t> ids, const data::TextCodec& codec);

}  // namespace attune::cli
