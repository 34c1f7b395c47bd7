// Which tokens stand for which parts of a text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/text_span.h"

namespace attune::data {

/// 1 for every token with a byte inside one of the spans, which are in order and do not overlap.
/// @param places of the tokens in the text (text::Tokenizer::encode_placed)
std::vector<std::uint8_t> tokens_in(std::span<const text::TextSpan> places,
                                    std::span<const text::TextSpan> spans);

/// For each boundary, a place of the text and not before the last one, the token that ends there: the last
/// one with a byte before it. Where none has since the last boundary, that one's token again.
std::vector<std::int32_t> tokens_before(std::span<const text::TextSpan> places,
                                        std::span<const std::size_t> boundaries);

}  // namespace attune::data
