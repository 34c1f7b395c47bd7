#include "model/files/peft.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/files/files.h"
#include "core/pattern.h"
#include "model/config_reader.h"

namespace attune::model {
namespace {

bool is_suffix(const std::string& path, const std::string& suffix) {
  return path == suffix || path.ends_with("." + suffix);
}

bool has_regex_characters(const std::string& text) {
  return text.find_first_of("*+?()[]{}|^$\\") != std::string::npos;
}

/// A pattern that is matched against names of modules, which are short; an adapter's comes from outside.
core::Pattern module_pattern(const std::string& pattern, const std::string& where) {
  return {pattern, where, {.ignore_case = false, .steps = 100'000}};
}
constexpr auto kWhole = core::Pattern::Part::kWhole;  // as PEFT's re.fullmatch

/// rank_pattern and alpha_pattern: the first key that matches the end of the path.
const core::Json* pattern_value(const core::Json& config, const char* key, const std::string& path,
                                const std::string& where) {
  const auto patterns = config.find(key);
  if (patterns == config.end() || !patterns->is_object()) return nullptr;
  for (const auto& [pattern, value] : patterns->items()) {
    const bool plain = !has_regex_characters(pattern);
    if (plain ? is_suffix(path, pattern)
              : module_pattern("(.*\\.)?(" + pattern + ")", where + ": " + key).matches(path, kWhole))
      return &value;
  }
  return nullptr;
}

core::Json read_config(const std::string& folder) {
  const std::string path = core::join_path(folder, "adapter_config.json");
  const core::Json json = core::read_json_file(path);
  const ConfigReader config(json, path);
  const std::string type = config.text("peft_type", "");
  if (type != "LORA") core::fail_request("{}: peft_type is '{}': only LORA adapters can be read", path, type);
  if (config.boolean("use_dora", false))
    core::fail_request("{}: use_dora is true: DoRA adapters are not supported; merge it with PEFT first",
                       path);
  if (const auto bias = config.text("bias", "none"); bias != "none")
    core::fail_request("{}: bias is '{}': adapters that train biases are not supported", path, bias);
  return json;
}

}  // namespace

TargetMatcher::TargetMatcher(std::vector<std::string> targets) : targets_(std::move(targets)) {
  if (is_regex(targets_)) pattern_ = module_pattern(targets_[0], "adapter.target_modules");
}

bool TargetMatcher::is_regex(const std::vector<std::string>& targets) {
  return targets.size() == 1 && has_regex_characters(targets[0]);
}

bool TargetMatcher::matches(const std::string& path) const {
  if (pattern_) return pattern_->matches(path, kWhole);
  return std::any_of(targets_.begin(), targets_.end(), [&](const std::string& target) {
    return target == "all-linear" || is_suffix(path, target);
  });
}

AdapterOptions adapter_options_of(const std::string& folder) {
  const core::Json config = read_config(folder);
  const ConfigReader reader(config, core::join_path(folder, "adapter_config.json"));
  AdapterOptions options;
  options.type = "lora";
  options.rank = reader.integer("r", 8, 1, 1 << 20);
  options.alpha = reader.number("lora_alpha", 8);
  options.rslora = reader.boolean("use_rslora", false);
  const auto targets = config.find("target_modules");
  if (targets == config.end()) return options;
  if (targets->is_string()) options.target_modules = {targets->get<std::string>()};
  if (targets->is_array())
    for (const auto& target : *targets)
      if (target.is_string()) options.target_modules.push_back(target.get<std::string>());
  return options;
}

std::string base_of_adapter(const std::string& folder) {
  const std::string path = core::join_path(folder, "adapter_config.json");
  const core::Json json = core::read_json_file(path);
  const std::string base = ConfigReader(json, path).text("base_model_name_or_path", "");
  if (base.empty())
    core::fail_request(
        "{}: key 'base_model_name_or_path' is missing: name the base model with model.base=FOLDER", path);
  return base;
}

PeftFolder::PeftFolder(const std::string& folder)
    : path(folder), config(read_config(folder)), files(folder, "adapter_model.safetensors") {
  const std::string prefix = kPeftPrefix;
  for (const auto& name : files.names()) {
    const StoredTensor* stored = files.find(name);
    const auto fail = [&](const char* what) {
      core::fail_request("{}: tensor '{}': {}", stored->file, name, what);
    };
    if (name.rfind(prefix, 0) != 0) fail("its name does not start with 'base_model.model.'");
    const std::string rest = name.substr(prefix.size());
    const auto ends = [&](const char* suffix) { return rest.ends_with(suffix); };
    const auto module = [&](const char* suffix) {
      return rest.substr(0, rest.size() - std::string_view(suffix).size());
    };
    if (rest.find(".lora_embedding_") != std::string::npos) fail("adapters of embeddings are not supported");
    if (rest.find(".lora_magnitude_vector") != std::string::npos) fail("DoRA adapters are not supported");
    if (ends(".lora_B.bias")) fail("adapters with lora_bias are not supported");
    if (ends(".lora_A.weight"))
      loras[module(".lora_A.weight")].a = stored;
    else if (ends(".lora_B.weight"))
      loras[module(".lora_B.weight")].b = stored;
    else
      saved_modules[rest] = stored;
  }
  for (const auto& [module, lora] : loras) {
    if (!lora.a || !lora.b)
      core::fail_request("{}: module '{}' has lora_{} but no lora_{}", files.where(), module,
                         lora.a ? "A" : "B", lora.a ? "B" : "A");
    if (lora.a->shape.size() != 2 || lora.b->shape.size() != 2 || lora.a->shape[0] != lora.b->shape[1])
      core::fail_request("{}: module '{}': lora_A {} and lora_B {} do not fit together", files.where(),
                         module, shape_text(lora.a->shape), shape_text(lora.b->shape));
    if (lora.a->shape[0] != rank_of(module))
      core::fail_request("{}: module '{}': lora_A has rank {}, adapter_config.json says r = {}",
                         files.where(), module, lora.a->shape[0], rank_of(module));
  }
}

double PeftFolder::alpha_of(const std::string& module) const {
  const std::string where = core::join_path(path, "adapter_config.json");
  if (const auto* value = pattern_value(config, "alpha_pattern", module, where); value && value->is_number())
    return value->get<double>();
  return ConfigReader(config, where).number("lora_alpha", 8);
}

std::int64_t PeftFolder::rank_of(const std::string& module) const {
  const std::string where = core::join_path(path, "adapter_config.json");
  if (const auto* value = pattern_value(config, "rank_pattern", module, where);
      value && value->is_number_integer())
    return value->get<std::int64_t>();
  return ConfigReader(config, where).integer("r", 8, 1, 1 << 20);
}

double PeftFolder::scale_of(const std::string& module) const {
  const auto rank = static_cast<double>(rank_of(module));
  const bool root =
      ConfigReader(config, core::join_path(path, "adapter_config.json")).boolean("use_rslora", false);
  return alpha_of(module) / (root ? std::sqrt(rank) : rank);
}

}  // namespace attune::model
