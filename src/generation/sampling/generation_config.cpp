#include "generation/sampling/generation_config.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::generation {
namespace {

using core::Json;

/// Read into the field of the same name (or alias) of SamplingOptions.
constexpr std::string_view kFollowed[] = {"temperature",
                                          "top_k",
                                          "top_p",
                                          "min_p",
                                          "top_h",
                                          "typical_p",
                                          "epsilon_cutoff",
                                          "eta_cutoff",
                                          "repetition_penalty",
                                          "encoder_repetition_penalty",
                                          "stop_strings",
                                          "max_new_tokens",
                                          "max_length",
                                          "min_new_tokens",
                                          "min_length",
                                          "no_repeat_ngram_size",
                                          "encoder_no_repeat_ngram_size",
                                          "forced_bos_token_id",
                                          "forced_eos_token_id",
                                          "suppress_tokens",
                                          "begin_suppress_tokens",
                                          "bad_words_ids",
                                          "sequence_bias",
                                          "exponential_decay_length_penalty"};

/// Read elsewhere, or without any effect on the tokens: what is returned beside them, speed, memory, texts of
/// other models that only a call can hand in, and what is so here anyway (logits that are no numbers stop the
/// run, distributions are normalised, the start of a sequence is the tokenizer's).
constexpr std::string_view kWithoutEffect[] = {"do_sample",
                                               "eos_token_id",
                                               "pad_token_id",
                                               "bos_token_id",
                                               "decoder_start_token_id",
                                               "use_cache",
                                               "max_cache_len",
                                               "output_attentions",
                                               "output_hidden_states",
                                               "output_scores",
                                               "output_logits",
                                               "return_dict_in_generate",
                                               "return_legacy_cache",
                                               "remove_invalid_values",
                                               "renormalize_logits",
                                               "is_assistant",
                                               "num_assistant_tokens",
                                               "num_assistant_tokens_schedule",
                                               "assistant_confidence_threshold",
                                               "prompt_lookup_num_tokens",
                                               "max_matching_ngram_size",
                                               "assistant_lookbehind",
                                               "target_lookbehind",
                                               "assistant_ensemble_weight",
                                               "speculation_type",
                                               "assistant_early_exit",
                                               "use_mtp",
                                               "compile_config",
                                               "disable_compile",
                                               "continuous_batching_config",
                                               "transformers_version",
                                               "prefill_chunk_size",
                                               "low_memory",
                                               "_from_model_config",
                                               "_commit_hash",
                                               "_mask_length"};

/// Not followed here, unless the value says that it is off.
struct Unheeded {
  std::string_view key, what, off;  ///< off: JSON of the value that changes nothing, beside null
};
constexpr Unheeded kUnheeded[] = {{"num_beams", "beam search", "1"},
                                  {"num_beam_groups", "beam search", "1"},
                                  {"early_stopping", "beam search", "false"},
                                  {"length_penalty", "beam search", "1.0"},
                                  {"diversity_penalty", "beam search", "0.0"},
                                  {"constraints", "beam search", "null"},
                                  {"force_words_ids", "beam search", "null"},
                                  {"num_return_sequences", "n says it", "1"},
                                  {"max_time", "a limit in seconds", "null"},
                                  {"cache_implementation", "a quantised cache", "null"},
                                  {"cache_config", "a cache of its own", "null"},
                                  {"token_healing", "token healing", "false"},
                                  {"guidance_scale", "guidance by a second prompt", "1.0"},
                                  {"watermarking_config", "a watermark", "null"},
                                  {"penalty_alpha", "contrastive search", "0.0"},
                                  {"dola_layers", "DoLa", "null"}};

template <class List>
bool holds(const List& list, std::string_view key) {
  return std::find(std::begin(list), std::end(list), key) != std::end(list);
}

const Unheeded* unheeded_key(std::string_view key) {
  const auto at = std::find_if(std::begin(kUnheeded), std::end(kUnheeded),
                               [&](const Unheeded& entry) { return entry.key == key; });
  return at == std::end(kUnheeded) ? nullptr : at;
}

/// What is there of the two files, and which it is.
struct Settings {
  std::string where;
  Json config = Json::object();
  bool is_own = false;  ///< generation_config.json, in which every key speaks of generation
};

Settings settings_of(const std::string& model_folder) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    Settings settings{core::join_path(model_folder, name), Json::object(), name[0] == 'g'};
    if (model_folder.empty() || !core::fs::exists(settings.where)) continue;
    settings.config = core::read_json_file(settings.where);
    if (!settings.config.is_object()) core::fail_request("{}: expected a JSON object", settings.where);
    return settings;
  }
  return {};
}

bool says(const Json& config, const char* key) { return config.contains(key) && !config[key].is_null(); }

bool samples(const Settings& settings) {
  if (!says(settings.config, "do_sample")) return false;
  const Json& value = settings.config["do_sample"];
  if (!value.is_boolean())
    core::fail_request("{}: do_sample must be true or false, found {}", settings.where, core::to_line(value));
  return value.get<bool>();
}

bool changes_nothing(const Unheeded& entry, const Json& value) {
  if (entry.key == "cache_implementation") return value != "quantized";  // the others hold the same numbers
  return value.is_null() || value == Json::parse(entry.off);
}

}  // namespace

SamplingOptions sampling_of_folder(const std::string& model_folder) {
  SamplingOptions options;
  options.top_k = 50;  // transformers' default
  core::Fields fields = core::fields_of(options);
  const Settings settings = settings_of(model_folder);
  for (const auto& [key, value] : settings.config.items())
    if (holds(kFollowed, key) && !value.is_null())
      fields.find(key)->assign(core::Value::from_json(value, settings.where), key);
  if (says(settings.config, "max_new_tokens")) options.max_length = 0;  // transformers: it takes precedence
  if (!samples(settings)) options.temperature = 0;
  return options;
}

std::optional<std::vector<std::int64_t>> end_ids_of_folder(const std::string& model_folder) {
  const Settings settings = settings_of(model_folder);
  if (!settings.is_own || !says(settings.config, "eos_token_id")) return std::nullopt;
  const Json& eos = settings.config["eos_token_id"];
  std::vector<std::int64_t> ids;
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (!id.is_number_integer())
      core::fail_request("{}: eos_token_id is {}, expected a token id or a list of them", settings.where,
                         core::to_line(eos));
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::string unheeded_settings(const std::string& model_folder) {
  const Settings settings = settings_of(model_folder);
  std::vector<std::string> named;
  for (const auto& [key, value] : settings.config.items()) {
    if (value.is_null() || holds(kFollowed, key) || holds(kWithoutEffect, key)) continue;
    const Unheeded* entry = unheeded_key(key);
    if (entry != nullptr && !changes_nothing(*entry, value)) {
      named.push_back(fmt::format("{}={} ({})", key, core::to_line(value), entry->what));
    } else if (entry == nullptr && settings.is_own) {
      named.push_back(fmt::format("{} (unknown)", key));
    }
  }
  if (named.empty()) return "";
  return fmt::format("{}: not followed here: {}", settings.where, fmt::join(named, ", "));
}

}  // namespace attune::generation
