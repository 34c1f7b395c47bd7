#include "generation/codec.h"

namespace attune::generation {

data::ModelLimits limits_of(const model::ModelConfig& config) {
  return {config.context(), config.vocab_size, config.learned_positions};
}

data::TextCodec codec_of(const model::Model& model) {
  return data::TextCodec::load(model.folder(), limits_of(model.config()));
}

}  // namespace attune::generation
