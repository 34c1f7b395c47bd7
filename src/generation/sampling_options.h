// Settings of sampling, as recipes and requests give them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value.h"

namespace attune::generation {

/// Settings of `generate` and of rollouts. Defaults come from the model's generation_config.json.
struct SamplingOptions {
  std::int64_t max_new_tokens = 256;
  double temperature = 1;  ///< 0 = greedy
  double top_p = 1;
  std::int64_t top_k = 0;  ///< 0 = off
  double min_p = 0;
  double repetition_penalty = 1;
  std::vector<std::string> stop;  ///< texts that end a completion; cut off, as transformers' and OpenAI's are
  std::int64_t n = 1;             ///< samples per prompt
  std::int64_t batch_tokens = 0;  ///< KV-cache budget in tokens; 0 = chosen from memory
  core::Value decoding;           ///< techniques (generation/decoding.h); null: plain sampling
  void declare(core::Fields& fields);
  /// @throws Error{kRequest} for values that no sampling has a meaning for, and stop texts without a
  /// tokenizer
  void check(bool has_tokenizer) const;
  /// Takes what generation_config.json of the folder says (temperature, top_k, top_p, eos ids …).
  static SamplingOptions from_folder(const std::string& model_folder);
};

}  // namespace attune::generation
