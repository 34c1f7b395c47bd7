// Records as tokens, for people and programs: the codec of a model setting, the JSON of a record's tokens,
// and a picture of what is trained on. Shared by `tokenize` and `check`.
#pragma once

#include <string>

#include "data/tokens/tokenize.h"
#include "model/model.h"

namespace attune::cli {

/// Tokenizer, chat template and limits of `model=`, or of `tokenizer=` where that is given.
/// @throws Error{kRequest} when neither is given, or what is given cannot be read.
data::TextCodec load_codec(const model::ModelOptions& model, const std::string& tokenizer);

/// ["▁Once", "▁upon"]; [] without a tokenizer.
core::Json token_texts(std::span<const std::int32_t> ids, const data::TextCodec& codec);

/// {"id", "text", "ids", "tokens", "mask"} of the first candidate; records with several have all of them
/// under "candidates". The mask covers prompt and completion.
core::Json record_json(const std::string& id, const data::TokenizedExample& example,
                       const data::TextCodec& codec);

/// Prompt and completion with the trained tokens marked: bright green on a terminal, in ⟦ ⟧ where colours are
/// off. Longer than about `budget` tokens, each stretch of trained or untrained ones is cut in its own
/// middle: where one begins and ends is always seen.
std::string token_picture(const data::TokenizedExample& example, std::size_t candidate,
                          const data::TextCodec& codec, bool colour, std::size_t budget = 160);

/// record_json of a row that is left out: as many of its tokens as can be made, none trained on, with the
/// reason under "unusable" and its "detail".
core::Json unusable_json(const record::Example& example, const core::ItemError& error,
                         const data::TextCodec& codec, const data::DataOptions& options);
/// The reason, and token_picture of each of its candidates. @param what "row " or nothing, before its id
std::string unusable_picture(std::string_view what, const record::Example& example,
                             const core::ItemError& error, const data::TextCodec& codec,
                             const data::DataOptions& options, bool colour);

/// Whether standard output is a terminal that shows colours (NO_COLOR unset).
bool stdout_has_colour();

}  // namespace attune::cli
