// Which token a place of the text falls into.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer/tokenizer.h"

namespace attune::data {

/// For every token the byte of `text` at which its text ends (rising; 0 for tokens that stand before the
/// text, such as a beginning-of-sequence token that is not written in it). Found by decoding, so where a
/// tokenizer changes texts (normalisation) the places are as near as their lengths allow.
std::vector<std::size_t> token_ends(const text::Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                                    std::string_view text);

}  // namespace attune::data
