// What sampling begins with and what it gives back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/transformer.h"

namespace attune::generation {

/// Tokens of a prompt that come as vectors: images, soft prompts. Prompts share what is before the first
/// token in which ids or keys differ.
struct PromptVectors {
  std::vector<std::uint64_t> content;  ///< a key for each id of the prompt; 0: the id says it all
  model::GivenRows given;              ///< the vectors that the keys stand for
};

struct Prompt {
  std::vector<std::int32_t> ids;  ///< at least one token (the caller puts BOS where the model has one)
  std::uint64_t record = 0;  ///< keys the random numbers, so a prompt draws the same samples in any batch
  std::shared_ptr<const PromptVectors> vectors{};  ///< null: ids alone
};

struct Sample {
  std::vector<std::int32_t> ids;  ///< completion, with the end-of-sequence token if it was drawn
  std::vector<double> logps;      ///< model's own at temperature 1, unfiltered: as the trainer computes them
  std::string text;  ///< decoded without special tokens, cut before a stop text; "" without a tokenizer
  std::string finish_reason;  ///< "stop" or "length"; "" while the sample grows
};

}  // namespace attune::generation
