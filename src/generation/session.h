// One call of Generator::generate: continuous batching over a KV-cache budget.
//
// Samples wait in order of (prompt, sample). A step admits waiting ones while their reservation fits the
// budget, reads the new prompts (shared prefixes once), draws a token for every active sample, retires
// finished ones and computes the drawn tokens of the rest. Admission looks at token counts only, so a run
// repeats exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "generation/completion_text.h"
#include "generation/generator.h"
#include "generation/sampler.h"
#include "model/decode/decoder.h"

namespace attune::generation {

/// What a session draws with; everything outlives it.
struct SessionInput {
  const model::Decoder& decoder;
  const model::ModelConfig& config;
  const text::Tokenizer* tokenizer = nullptr;
  const std::vector<std::int32_t>& eos_ids;
  std::span<const Prompt> prompts;
  const SamplingOptions& options;
  std::uint64_t seed = 0, step = 0;
  std::int64_t budget = 0;  ///< tokens of KV cache; a single sample may exceed it alone
  const OnText& on_text;
  const OnProgress& on_progress;
};

class Session {
 public:
  explicit Session(const SessionInput& input);
  std::vector<std::vector<Sample>> run();

 private:
  struct Active {
    std::size_t prompt = 0, sample = 0;
    std::int64_t limit = 0;     ///< longest completion
    std::int64_t reserved = 0;  ///< tokens of the budget
    std::optional<model::KvSequence> cache;
    std::optional<CompletionText> text;  ///< only when stop texts or streaming ask for it
    std::vector<std::int32_t> seen;      ///< distinct tokens so far, only with a repetition penalty
    bool done = false;
  };
  struct PromptState {
    std::optional<model::ReadPrompt> read;
    std::int64_t reserved = 0, unfinished = 0;
  };

  bool admit();
  void read_new_prompts(std::span<const std::size_t> prompts);
  void start(Active& active);
  void draw();
  void draw_row(Active& active, std::span<const float> logits, double normalizer);
  void take_token(Active& active, std::int32_t token);
  void finish(Active& active, const char* reason);
  void retire();
  void advance();
  std::int64_t completion_limit(const Prompt& prompt) const;
  Sample& sample_of(const Active& active) { return results_[active.prompt][active.sample]; }

  const SessionInput in_;
  std::vector<std::vector<Sample>> results_;
  std::vector<PromptState> prompts_;
  std::vector<Active> active_;
  std::vector<at::Tensor> hidden_;  ///< parts whose rows, joined, belong to active_ in order
  std::size_t next_prompt_ = 0, next_sample_ = 0;
  std::int64_t used_ = 0, produced_ = 0;
  std::vector<float> scratch_;
};

}  // namespace attune::generation
