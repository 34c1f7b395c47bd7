// Settings of sampling, as recipes and requests give them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value.h"
#include "generation/sampling/token_rules.h"

namespace attune::generation {

/// Settings of `generate` and of rollouts. Defaults come from the model's generation_config.json
/// (generation_config.h).
struct SamplingOptions {
  std::int64_t max_new_tokens = 256;
  std::int64_t max_length = 0;  ///< prompt included; 0: max_new_tokens says it
  double temperature = 1;       ///< 0 = greedy
  double top_p = 1;
  std::int64_t top_k = 0;  ///< 0 = off
  double min_p = 0;
  double top_h = 0, typical_p = 1, epsilon_cutoff = 0, eta_cutoff = 0;  ///< filters, off
  double repetition_penalty = 1, encoder_repetition_penalty = 1;
  std::vector<std::string> stop;  ///< texts that end a completion; cut off, as transformers' and OpenAI's are
  TokenRules rules;               ///< what is forbidden or favoured
  std::int64_t n = 1;             ///< samples per prompt
  std::int64_t batch_tokens = 0;  ///< KV-cache budget in tokens; 0 = chosen from memory
  core::Value decoding;           ///< techniques (generation/decoding.h); null: plain sampling
  void declare(core::Fields& fields);
  /// @throws Error{kRequest} for values that no sampling has a meaning for, stop texts without a tokenizer,
  /// and ids that the vocabulary does not have
  void check(bool has_tokenizer, std::int64_t vocabulary) const;
  /// Takes what a request says, over what a model folder says; keys of others are passed over.
  void lay_over(const core::Value& settings);
  /// Longest completion of a prompt of so many tokens; below 1 where max_length leaves no room.
  std::int64_t most_new_tokens(std::int64_t prompt) const;
};

}  // namespace attune::generation
