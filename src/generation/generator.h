// Sampling from the model in one call: many prompts, several samples each, continuous batching, shared prompt
// prefixes, decoding techniques. session.h does the same prompt by prompt.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "generation/sample.h"
#include "generation/sampling/sampling_options.h"
#include "model/model.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::generation {

class Lanes;

/// Called with new text of sample `sample` of prompt `prompt` as it is produced (streaming).
using OnText = std::function<void(std::size_t prompt, std::size_t sample, std::string_view text)>;
/// Called after every decoding step with the number of tokens produced so far.
using OnProgress = std::function<void(std::int64_t tokens)>;

class Generator {
 public:
  /// Reads the model's weights in place (adapters are merged into a decode copy of the adapted layers only).
  /// @param tokenizer null: texts stay empty and stop strings are refused.
  /// @param tap sees and may change every pass of the model; null: none. Outlives the generator
  Generator(const model::Model& model, const text::Tokenizer* tokenizer,
            model::Weights which = model::Weights::kPolicy, model::Tap* tap = nullptr);
  ~Generator();
  /// The models that techniques may read; those in memory are added by name.
  Lanes& lanes();
  /// result[p][s] for every prompt and sample. Random numbers are keyed by (seed, step, record, sample,
  /// token), so the result does not depend on the batching beyond rounding. A prompt and its completion never
  /// have more tokens than the model's context.
  std::vector<std::vector<Sample>> generate(std::span<const Prompt> prompts, const SamplingOptions& options,
                                            std::uint64_t seed, std::uint64_t step = 0,
                                            const OnText& on_text = {},
                                            const OnProgress& on_progress = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::generation
