#include "generation/sampling/sampling_options.h"

#include <algorithm>

#include "core/error.h"

namespace attune::generation {
namespace {

/// Filters that are techniques of their own.
void declare_filters(SamplingOptions& options, core::Fields& fields) {
  const auto share = [&](const char* name, double& target, const char* help) {
    fields.add(name, target, help).range(0, 1).default_from("generation_config.json");
  };
  share("top_h", options.top_h,
        "Draw from the most probable tokens up to this share of the entropy; 0 is off.");
  share("typical_p", options.typical_p,
        "Draw from the tokens about as surprising as the average that reach this sum; 1 is off.");
  share("epsilon_cutoff", options.epsilon_cutoff, "Draw from tokens of at least this probability; 0 is off.");
  share("eta_cutoff", options.eta_cutoff, "The same, less where the distribution is flat; 0 is off.");
}

}  // namespace

void SamplingOptions::declare(core::Fields& fields) {
  const char* model = "generation_config.json";
  fields.add("max_new_tokens", max_new_tokens, "Longest completion, in tokens.")
      .range(1, 1e9)
      .alias("max_completion_length")
      .default_from(model);
  fields.add("max_length", max_length, "The same, prompt included; 0: max_new_tokens says it.")
      .range(0, 1e9)
      .default_from(model);
  fields
      .add(
          "temperature", temperature,
          "Divides the logits; 0 takes the most probable token (greedy), as a generation_config.json without "
          "do_sample does.")
      .range(0, 1e6)
      .default_from(model);
  fields.add("top_p", top_p, "Draw from the most probable tokens whose probabilities reach this sum.")
      .range(0, 1)
      .default_from(model);
  fields.add("top_k", top_k, "Draw from so many most probable tokens; 0 is off.")
      .non_negative()
      .default_from(model);
  fields.add("min_p", min_p, "Draw from tokens of at least this part of the highest probability; 0 is off.")
      .range(0, 1)
      .optional()
      .default_from(model);
  declare_filters(*this, fields);
  fields
      .add("repetition_penalty", repetition_penalty,
           "Weakens tokens that occurred before, prompt included; 1 is off.")
      .positive()
      .default_from(model);
  fields
      .add("encoder_repetition_penalty", encoder_repetition_penalty,
           "Strengthens tokens of the prompt; below 1 weakens them, 1 is off.")
      .positive()
      .default_from(model);
  fields.add("stop", stop, "Texts that end a completion; they are cut off.")
      .alias("stop_strings")
      .default_from(model);
  rules.declare(fields);
  fields.add("n", n, "Samples per prompt; several need a temperature.")
      .range(1, 1e9)
      .alias("num_generations")
      .alias("per_prompt");
  fields
      .add("decoding", decoding,
           "A technique, or a list of them, that shapes what is drawn from; see attune list decoding.")
      .short_form("name")
      .shown_type("technique");
  fields
      .add("batch_tokens", batch_tokens,
           "Tokens that the KV cache may hold at once; 0: chosen from the memory.")
      .non_negative();
}

void SamplingOptions::check(bool has_tokenizer, std::int64_t vocabulary) const {
  rules.check(vocabulary);
  const auto need = [](bool ok, const char* what) {
    if (!ok) core::fail_request("{}", what);
  };
  need(n >= 1, "n must be at least 1");
  need(max_new_tokens >= 1, "max_new_tokens must be at least 1");
  need(temperature >= 0, "temperature must be 0 or more");
  need(top_p >= 0 && top_p <= 1, "top_p must be from 0 to 1");
  need(min_p >= 0 && min_p <= 1, "min_p must be from 0 to 1");
  need(repetition_penalty > 0, "repetition_penalty must be more than 0");
  need(encoder_repetition_penalty > 0, "encoder_repetition_penalty must be more than 0");
  need(std::find(stop.begin(), stop.end(), "") == stop.end(), "stop holds an empty text");
  if (n > 1 && temperature == 0)
    core::fail_request(
        "n={} with temperature=0 would give {} equal texts: greedy decoding draws nothing, and is what a "
        "model whose generation_config.json does not say do_sample does by itself. Give temperature=0.8, or "
        "n=1",
        n, n);
  need(stop.empty() || has_tokenizer, "stop texts need a tokenizer; this model folder has none");
}

void SamplingOptions::lay_over(const core::Value& settings) {
  core::Fields fields = core::fields_of(*this);
  for (const auto& [key, value] : settings.entries()) {
    core::Field* field = fields.find(key);
    if (field == nullptr) continue;
    field->assign(value, key);
    // What is asked for goes before what the folder says by the other name.
    if (field->name() == "max_new_tokens") max_length = 0;
    if (field->name() == "min_length") rules.min_new_tokens = 0;
  }
}

std::int64_t SamplingOptions::most_new_tokens(std::int64_t prompt) const {
  return max_length > 0 ? max_length - prompt : max_new_tokens;
}

}  // namespace attune::generation
