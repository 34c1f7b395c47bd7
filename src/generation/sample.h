// What sampling begins with and what it gives back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune::generation {

struct Prompt {
  std::vector<std::int32_t> ids;  ///< at least one token (the caller puts BOS where the model has one)
  std::uint64_t record = 0;  ///< keys the random numbers, so a prompt draws the same samples in any batch
};

struct Sample {
  std::vector<std::int32_t> ids;  ///< completion, with the end-of-sequence token if it was drawn
  std::vector<double> logps;      ///< model's own at temperature 1, unfiltered: as the trainer computes them
  std::string text;  ///< decoded without special tokens, cut before a stop text; "" without a tokenizer
  std::string finish_reason;  ///< "stop" or "length"; "" while the sample grows
};

}  // namespace attune::generation
