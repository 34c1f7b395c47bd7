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
  options.modules_to_save = config.texts("modules_to_save");
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
std::string short_name(const std::string& suffix) {
  const auto end = suffix.find('.', 1);
  return suffix.substr(1, end == std::string::npos ? end : end - 1);
}

}  // namespace

AdapterOptions adapter_options_of(const std::string& folder) {
  return options_in(core::read_json_file(config_path(folder)), config_path(folder));
}

PeftFolder::PeftFolder(const std::string& folder)
    : path(folder),
      config(checked_config(folder)),
      kind(&adapter_reading(config, config_path(folder))),
      files(folder, "adapter_model.safetensors") {
  for (const auto& name : files.names()) sort_in(name);
  for (const auto& [module, tensors] : layers) {
    const auto parts = lookups.contains(module) ? kind->lookup_tensors() : kind->tensors();
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (std::size_t j = 0; j < parts.size(); ++j)
        if (tensors[i] && !tensors[j])
          core::fail_request("{}: module '{}' has {} but no {}", files.where(), module,
                             short_name(parts[i].suffix), short_name(parts[j].suffix));
  }
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
  if (!sort_into_layer(stored, rest, false) && !sort_into_layer(stored, rest, true))
    saved_modules[rest] = stored;
}

bool PeftFolder::sort_into_layer(const StoredTensor* stored, const std::string& name, bool lookup) {
  const auto parts = lookup ? kind->lookup_tensors() : kind->tensors();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!name.ends_with(parts[i].suffix)) continue;
    const std::string module = name.substr(0, name.size() - parts[i].suffix.size());
    if (lookup) lookups.insert(module);
    layers[module].resize(parts.size());
    layers[module][i] = stored;
    return true;
  }
  return false;
}

LayerAdapter PeftFolder::load(const Linear& layer, std::int64_t out, std::int64_t in,
                              at::ScalarType type) const {
  LayerAdapter adapter{kind};
  const auto& stored = layers.at(layer.path);
  if (layer.lookup != lookups.contains(layer.path))
    core::fail_request("{}: module '{}' is {}, which the adapter's tensors are not made for", files.where(),
                       layer.path, layer.lookup ? "an embedding" : "a linear layer");
  for (const StoredTensor* tensor : stored) adapter.tensors.push_back(tensor->load(type));
  const ConfigReader reader(config, config_path(path));
  kind->fit(adapter, {layer.path, out, in, stored.front()->file, layer.lookup}, reader);
  return adapter;
}

core::Json adapter_config_json(const AdapterOptions& options, const std::vector<std::string>& modules,
                               bool conv1d) {
  const Adapter& kind = adapter_named(options.type);
  core::Json targets = options.target_modules;
  if (TargetMatcher::is_regex(options.target_modules)) targets = options.target_modules[0];
  if (options.target_modules == std::vector<std::string>{"all-linear"}) targets = modules;
  core::Json json = {{"peft_type", kind.info().peft_type},
                     {"task_type", "CAUSAL_LM"},
                     {"base_model_name_or_path", nullptr},
                     {"revision", nullptr},
                     {"inference_mode", true},
                     {"target_modules", targets},
                     {"modules_to_save", nullptr}};
  if (!options.modules_to_save.empty()) json["modules_to_save"] = options.modules_to_save;
  json.update(kind.write_options(options, conv1d));
  return json;
}

}  // namespace attune::model
