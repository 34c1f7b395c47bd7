// Rows that cannot be used, as tokens all the same: whoever asks why wants to see them.
#include "data/tokens/tokenize.h"

namespace attune::data {

std::optional<TokenizedExample> tokenize_unusable(record::Example example, TextCodec codec,
                                                  DataOptions options) {
  codec.max_positions = codec.vocab_size = 0;
  options.max_length = options.max_prompt_length = 0;
  options.turns = "whole";
  options.teacher_system.clear();
  try {
    auto tokens = tokenize_example(example, codec, options, false);
    if (!tokens.ok()) {
      example.candidates.clear();
      tokens = tokenize_example(example, codec, options, false);
    }
    if (!tokens.ok()) return std::nullopt;
    for (auto& completion : tokens.value().completions) completion.mask.assign(completion.ids.size(), 0);
    return std::move(tokens.value());
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRequest) throw;
    return std::nullopt;  // there is no tokenizer
  }
}

}  // namespace attune::data
