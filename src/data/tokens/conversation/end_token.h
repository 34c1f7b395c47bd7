// One end to what is said: where a text brings an end token that is put there anyway.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"
#include "data/tokens/codec.h"

namespace attune::data {

/// The end-of-sequence token as texts spell it; "" where the tokenizer has none, or the model ends otherwise.
std::string end_text(const TextCodec& codec);

/// A text that ends in `end`, several times or with blanks behind, ends in it once; another stays as it is.
std::string_view with_one_end(std::string_view text, std::string_view end);

/// Conversations in which the assistant's words do not end in what the chat template writes behind them
/// anyway ("<|im_end|>", "</s>").
core::Json without_own_ends(core::Json messages, const TextCodec& codec);

}  // namespace attune::data
