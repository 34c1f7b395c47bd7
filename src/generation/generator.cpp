#include "generation/generator.h"

#include <unistd.h>

#include <algorithm>

#include "generation/lane.h"
#include "generation/session/session.h"

namespace attune::generation {
namespace {

/// KV-cache tokens for an eighth of the machine's memory: of its size, not of what is free now, so that a run
/// repeats.
std::int64_t default_budget(const model::KvShape& shape) {
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  const double per_token = static_cast<double>(shape.block_floats()) * sizeof(float) / model::kBlockTokens;
  return static_cast<std::int64_t>(std::clamp(memory / 8 / per_token, 1024.0, 131072.0));
}

}  // namespace

struct Generator::State {
  Lanes lanes;
  const text::Tokenizer* tokenizer;
};

Generator::Generator(const model::Model& model, const text::Tokenizer* tokenizer, model::Weights which,
                     model::Tap* tap)
    : state_(std::make_unique<State>(State{Lanes(model, which, tap), tokenizer})) {}

Generator::~Generator() = default;

Lanes& Generator::lanes() { return state_->lanes; }

std::vector<std::vector<Sample>> Generator::generate(std::span<const Prompt> prompts,
                                                     const SamplingOptions& options, std::uint64_t seed,
                                                     std::uint64_t step, const OnText& on_text,
                                                     const OnProgress& on_progress) const {
  const auto chain =
      std::make_shared<const DecodingChain>(options, state_->lanes, state_->tokenizer != nullptr);
  const std::int64_t budget = options.batch_tokens > 0
                                  ? options.batch_tokens
                                  : default_budget(state_->lanes.policy().decoder().shape());
  Session session(state_->lanes, state_->tokenizer, budget);
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    OnSampleText show;
    if (on_text)
      show = [&on_text, p](std::size_t sample, std::string_view text) { on_text(p, sample, text); };
    session.submit({prompts[p], chain, seed, step, std::move(show)});
  }
  while (session.step())
    if (on_progress) on_progress(session.produced());
  std::vector<std::vector<Sample>> results;
  for (std::size_t p = 0; p < prompts.size(); ++p) results.push_back(session.take(p));
  return results;
}

}  // namespace attune::generation
