#include "generation/sampling_options.h"

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"

namespace attune::generation {
namespace {

using core::Json;

/// The number under `key`, or `fallback` where it is missing or null.
double number_of(const Json& config, const char* key, double fallback, double low, double high,
                 const std::string& where) {
  if (!config.contains(key) || config[key].is_null()) return fallback;
  const Json& value = config[key];
  if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high)) {
    core::fail_request("{}: {} is {}, expected a number from {} to {}", where, key, core::to_line(value), low,
                       high);
  }
  return value.get<double>();
}

bool flag_of(const Json& config, const char* key, const std::string& where) {
  if (!config.contains(key) || config[key].is_null()) return false;
  if (!config[key].is_boolean()) {
    core::fail_request("{}: {} is {}, expected true or false", where, key, core::to_line(config[key]));
  }
  return config[key].get<bool>();
}

std::vector<std::string> stops_of(const Json& config, const std::string& where) {
  if (!config.contains("stop_strings") || config["stop_strings"].is_null()) return {};
  const Json list =
      config["stop_strings"].is_array() ? config["stop_strings"] : Json::array({config["stop_strings"]});
  std::vector<std::string> stops;
  for (const Json& stop : list) {
    if (!stop.is_string() || stop.get<std::string>().empty()) {
      core::fail_request("{}: stop_strings holds {}, expected texts", where, core::to_line(stop));
    }
    stops.push_back(stop.get<std::string>());
  }
  return stops;
}

}  // namespace

void SamplingOptions::declare(core::Fields& fields) {
  const char* model = "generation_config.json";
  fields.add("max_new_tokens", max_new_tokens, "Longest completion, in tokens.")
      .range(1, 1e9)
      .alias("max_completion_length")
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
  fields
      .add("repetition_penalty", repetition_penalty,
           "Weakens tokens that occurred before, prompt included; 1 is off.")
      .positive()
      .default_from(model);
  fields.add("stop", stop, "Texts that end a completion; they are cut off.").default_from(model);
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

void SamplingOptions::check(bool has_tokenizer) const {
  const auto need = [](bool ok, const char* what) {
    if (!ok) core::fail_request("{}", what);
  };
  need(n >= 1, "n must be at least 1");
  need(max_new_tokens >= 1, "max_new_tokens must be at least 1");
  need(temperature >= 0, "temperature must be 0 or more");
  need(top_p >= 0 && top_p <= 1, "top_p must be from 0 to 1");
  need(min_p >= 0 && min_p <= 1, "min_p must be from 0 to 1");
  need(repetition_penalty > 0, "repetition_penalty must be more than 0");
  need(std::find(stop.begin(), stop.end(), "") == stop.end(), "stop holds an empty text");
  if (n > 1 && temperature == 0)
    core::fail_request(
        "n={} with temperature=0 would give {} equal texts: greedy decoding draws nothing, and is what a "
        "model "
        "whose generation_config.json does not say do_sample does by itself. Give temperature=0.8, or n=1",
        n, n);
  need(stop.empty() || has_tokenizer, "stop texts need a tokenizer; this model folder has none");
}

SamplingOptions SamplingOptions::from_folder(const std::string& model_folder) {
  SamplingOptions options;
  const std::string where = (core::fs::path(model_folder) / "generation_config.json").string();
  const Json config = core::fs::exists(where) ? core::read_json_file(where) : Json::object();
  if (!config.is_object()) core::fail_request("{}: expected a JSON object", where);
  options.max_new_tokens = static_cast<std::int64_t>(
      number_of(config, "max_new_tokens", static_cast<double>(options.max_new_tokens), 1, 1e9, where));
  options.temperature = number_of(config, "temperature", 1, 0, 1e6, where);
  options.top_k = static_cast<std::int64_t>(number_of(config, "top_k", 50, 0, 1e9, where));
  options.top_p = number_of(config, "top_p", 1, 0, 1, where);
  options.min_p = number_of(config, "min_p", 0, 0, 1, where);
  options.repetition_penalty = number_of(config, "repetition_penalty", 1, 1e-6, 1e6, where);
  options.stop = stops_of(config, where);
  if (!flag_of(config, "do_sample", where)) options.temperature = 0;
  return options;
}

}  // namespace attune::generation
