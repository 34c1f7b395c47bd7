#include "generation/generator.h"

#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"
#include "core/system.h"
#include "generation/session.h"
#include "model/decode/decoder.h"

namespace attune::generation {
namespace {

/// End-of-sequence ids: those of generation_config.json, or config.json's when that file or key is absent.
std::vector<std::int32_t> end_ids(const model::Model& model) {
  std::vector<std::int32_t> ids;
  const auto add = [&](std::int64_t id) {
    if (id >= 0 && id < model.config().vocab_size) ids.push_back(static_cast<std::int32_t>(id));
  };
  const std::string where = (core::fs::path(model.folder()) / "generation_config.json").string();
  if (!model.folder().empty() && core::fs::exists(where)) {
    const core::Json config = core::read_json_file(where);
    if (config.is_object() && config.contains("eos_token_id") && !config["eos_token_id"].is_null()) {
      const core::Json& eos = config["eos_token_id"];
      for (const core::Json& id : eos.is_array() ? eos : core::Json::array({eos})) {
        if (!id.is_number_integer()) {
          core::fail_request("{}: eos_token_id is {}, expected a token id or a list of them", where,
                             core::to_line(eos));
        }
        add(id.get<std::int64_t>());
      }
      return ids;
    }
  }
  for (const std::int64_t id : model.config().eos_ids) add(id);
  return ids;
}

/// KV-cache tokens for an eighth of the machine's memory: of its size, not of what is free now, so that a run
/// repeats.
std::int64_t default_budget(const model::KvShape& shape) {
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  const double per_token = static_cast<double>(shape.block_floats()) * sizeof(float) / model::kBlockTokens;
  return static_cast<std::int64_t>(std::clamp(memory / 8 / per_token, 1024.0, 131072.0));
}

void check_prompt(const Prompt& prompt, const model::ModelConfig& config) {
  if (prompt.ids.empty()) core::fail_request("the prompt of record {} has no tokens", prompt.record);
  const auto length = static_cast<std::int64_t>(prompt.ids.size());
  if (config.max_positions > 0 && length > config.max_positions) {
    core::fail_request("the prompt of record {} has {}, the model reads at most {}: shorten it",
                       prompt.record, core::counted(length, "token"), config.max_positions);
  }
  for (const std::int32_t id : prompt.ids) {
    if (id < 0 || id >= config.vocab_size) {
      core::fail_request("the prompt of record {} holds the token id {}, the model has ids 0 to {}",
                         prompt.record, id, config.vocab_size - 1);
    }
  }
}

void check_options(const SamplingOptions& options, bool has_tokenizer) {
  const auto need = [](bool ok, const char* what) {
    if (!ok) core::fail_request("{}", what);
  };
  need(options.n >= 1, "n must be at least 1");
  need(options.max_new_tokens >= 1, "max_new_tokens must be at least 1");
  need(options.temperature >= 0, "temperature must be 0 or more");
  need(options.top_p >= 0 && options.top_p <= 1, "top_p must be from 0 to 1");
  need(options.min_p >= 0 && options.min_p <= 1, "min_p must be from 0 to 1");
  need(options.repetition_penalty > 0, "repetition_penalty must be more than 0");
  need(std::find(options.stop.begin(), options.stop.end(), "") == options.stop.end(),
       "stop holds an empty text");
  if (options.n > 1 && options.temperature == 0)
    core::fail_request(
        "n={} with temperature=0 would give {} equal texts: greedy decoding draws nothing, and is what a "
        "model "
        "whose generation_config.json does not say do_sample does by itself. Give temperature=0.8, or n=1",
        options.n, options.n);
  need(options.stop.empty() || has_tokenizer, "stop texts need a tokenizer; this model folder has none");
}

}  // namespace

struct Generator::State {
  const model::Model& model;
  const text::Tokenizer* tokenizer;
  model::Decoder decoder;
  std::vector<std::int32_t> eos_ids;
};

Generator::Generator(const model::Model& model, const text::Tokenizer* tokenizer, model::Weights which)
    : state_(std::make_unique<State>(
          State{model, tokenizer, model::Decoder(model.weights(), model.config(), which), end_ids(model)})) {}

Generator::~Generator() = default;

std::vector<std::vector<Sample>> Generator::generate(std::span<const Prompt> prompts,
                                                     const SamplingOptions& options, std::uint64_t seed,
                                                     std::uint64_t step, const OnText& on_text,
                                                     const OnProgress& on_progress) const {
  check_options(options, state_->tokenizer != nullptr);
  for (const Prompt& prompt : prompts) check_prompt(prompt, state_->model.config());
  const std::int64_t budget =
      options.batch_tokens > 0 ? options.batch_tokens : default_budget(state_->decoder.shape());
  return Session({state_->decoder, state_->model.config(), state_->tokenizer, state_->eos_ids, prompts,
                  options, seed, step, budget, on_text, on_progress})
      .run();
}

}  // namespace attune::generation
