// The text side of a model: what its folder says of texts, with what the model itself can read.
#pragma once

#include "data/tokens/codec.h"
#include "model/model.h"

namespace attune::generation {

data::ModelLimits limits_of(const model::ModelConfig& config);

/// Tokenizer and template of the model's folder. @throws Error{kRequest} as TextCodec::load does
data::TextCodec codec_of(const model::Model& model);

}  // namespace attune::generation
