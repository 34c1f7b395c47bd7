// Sampling from the model: many prompts, several samples each, continuous batching, shared prompt prefixes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "model/model.h"
#include "text/tokenizer/tokenizer.h"

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
  void declare(core::Fields& fields);
  /// Takes what generation_config.json of the folder says (temperature, top_k, top_p, eos ids …).
  static SamplingOptions from_folder(const std::string& model_folder);
};

struct Prompt {
  std::vector<std::int32_t> ids;  ///< at least one token (the caller puts BOS where the model has one)
  std::uint64_t record = 0;  ///< keys the random numbers, so a prompt draws the same samples in any batch
};

struct Sample {
  std::vector<std::int32_t> ids;  ///< completion, with the end-of-sequence token if it was drawn
  std::vector<double> logps;      ///< model's own at temperature 1, unfiltered: as the trainer computes them
  std::string text;  ///< decoded without special tokens, cut before a stop text; "" without a tokenizer
  std::string finish_reason;  ///< "stop" or "length"
};

/// Called with new text of sample `sample` of prompt `prompt` as it is produced (streaming).
using OnText = std::function<void(std::size_t prompt, std::size_t sample, std::string_view text)>;
/// Called after every decoding step with the number of tokens produced so far.
using OnProgress = std::function<void(std::int64_t tokens)>;

class Generator {
 public:
  /// Reads the model's weights in place (adapters are merged into a decode copy of the adapted layers only).
  /// @param tokenizer null: texts stay empty and stop strings are refused.
  Generator(const model::Model& model, const text::Tokenizer* tokenizer,
            model::Weights which = model::Weights::kPolicy);
  ~Generator();
  /// result[p][s] for every prompt and sample. Random numbers are keyed by (seed, step, record, sample,
  /// token), so the result does not depend on the batching beyond rounding.
  std::vector<std::vector<Sample>> generate(std::span<const Prompt> prompts, const SamplingOptions& options,
                                            std::uint64_t seed, std::uint64_t step = 0,
                                            const OnText& on_text = {},
                                            const OnProgress& on_progress = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::generation
