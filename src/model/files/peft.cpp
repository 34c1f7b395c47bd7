#include "model/files/peft.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/files/files.h"
#include "model/adapter_targets.h"
#include "model/config_reader.h"

namespace attune::model {
namespace {

std::string config_path(const std::string& folder) { return core::join_path(folder, "adapter_config.json"); }

AdapterOptions options_in(const core::Json& json, const std::string& path) {
  const ConfigReader config(json, path);
  const Adapter& kind = adapter_reading(json, path);
  AdapterOptions options;
  options.type = kind.info().name;
  kind.read_options(config, options);
  const core::Json* targets = config.find("target_modules");
  if (!targets) return options;
  if (targets->is_string()) options.target_modules = {targets->get<std::string>()};
  if (targets->is_array())
    for (const auto& target : *targets)
      if (target.is_string()) options.target_modules.push_back(target.get<std::string>());
  return options;
}

core::Json checked_config(const std::string& folder) {
  core::Json json = core::read_json_file(config_path(folder));
  options_in(json, config_path(folder));
  return json;
}

/// ".lora_A.weight" → "lora_A".
std::string short_name(const std::string& suffix) { return suffix.substr(1, suffix.find('.', 1) - 1); }

}  // namespace

AdapterOptions adapter_options_of(const std::string& folder) {
  return options_in(core::read_json_file(config_path(folder)), config_path(folder));
}

std::string base_of_adapter(const std::string& folder) {
  const core::Json json = core::read_json_file(config_path(folder));
  const std::string base = ConfigReader(json, config_path(folder)).text("base_model_name_or_path", "");
  if (base.empty())
    core::fail_request(
        "{}: key 'base_model_name_or_path' is missing: name the base model with model.base=FOLDER",
        config_path(folder));
  return base;
}

PeftFolder::PeftFolder(const std::string& folder)
    : path(folder),
      config(checked_config(folder)),
      kind(&adapter_reading(config, config_path(folder))),
      files(folder, "adapter_model.safetensors") {
  for (const auto& name : files.names()) sort_in(name);
  const auto parts = kind->tensors();
  for (const auto& [module, tensors] : layers)
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (std::size_t j = 0; j < parts.size(); ++j)
        if (tensors[i] && !tensors[j])
          core::fail_request("{}: module '{}' has {} but no {}", files.where(), module,
                             short_name(parts[i].suffix), short_name(parts[j].suffix));
}

void PeftFolder::sort_in(const std::string& name) {
  const StoredTensor* stored = files.find(name);
  const std::string prefix = kPeftPrefix;
  const auto fail = [&](const std::string& what) {
    core::fail_request("{}: tensor '{}': {}", stored->file, name, what);
  };
  if (name.rfind(prefix, 0) != 0) fail("its name does not start with '" + prefix + "'");
  const std::string rest = name.substr(prefix.size());
  if (const std::string reason = kind->refusal(rest); !reason.empty()) fail(reason);
  const auto parts = kind->tensors();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!rest.ends_with(parts[i].suffix)) continue;
    auto& tensors = layers[rest.substr(0, rest.size() - parts[i].suffix.size())];
    tensors.resize(parts.size());
    tensors[i] = stored;
    return;
  }
  saved_modules[rest] = stored;
}

LayerAdapter PeftFolder::load(const std::string& module, std::int64_t out, std::int64_t in,
                              at::ScalarType type) const {
  LayerAdapter adapter{kind};
  const auto& stored = layers.at(module);
  for (const StoredTensor* tensor : stored) adapter.tensors.push_back(tensor->load(type));
  const ConfigReader reader(config, config_path(path));
  kind->fit(adapter, {module, out, in, stored.front()->file}, reader);
  return adapter;
}

core::Json adapter_config_json(const AdapterOptions& options, const std::string& base,
                               const std::vector<std::string>& modules, bool conv1d) {
  const Adapter& kind = adapter_named(options.type);
  core::Json targets = options.target_modules;
  if (TargetMatcher::is_regex(options.target_modules)) targets = options.target_modules[0];
  if (options.target_modules == std::vector<std::string>{"all-linear"}) targets = modules;
  core::Json json = {{"peft_type", kind.info().peft_type},
                     {"task_type", "CAUSAL_LM"},
                     {"base_model_name_or_path", base},
                     {"revision", nullptr},
                     {"inference_mode", true},
                     {"target_modules", targets},
                     {"modules_to_save", nullptr}};
  json.update(kind.write_options(options, conv1d));
  return json;
}

}  // namespace attune::model
