#include "model/family.h"

#include "core/error.h"

namespace attune::model {

namespace {

const Family* find_family(const core::Json& config) {
  const auto found = config.find("model_type");
  if (found == config.end() || !found->is_string()) return nullptr;
  for (const auto& [name, make] : family_entries())
    for (const auto& type : make()->info().model_types)
      if (found->get<std::string>() == type) return make();
  return nullptr;
}

}  // namespace

bool knows_family(const core::Json& config) { return config.is_object() && find_family(config) != nullptr; }

const Family& family_of(const core::Json& config, const std::string& where) {
  if (!config.is_object()) core::fail_request("{}: expected a JSON object", where);
  if (const Family* family = find_family(config)) return *family;
  const auto found = config.find("model_type");
  std::string supported;
  for (const auto& [name, make] : family_entries())
    for (const auto& type : make()->info().model_types) supported += (supported.empty() ? "" : ", ") + type;
  if (found == config.end() || !found->is_string())
    core::fail_request("{}: key 'model_type' is missing: it names the architecture; supported: {}", where,
                       supported);
  core::fail_request("{}: model_type '{}' is not supported; supported: {}", where,
                     found->get<std::string>().substr(0, 80), supported);
}

const Family& family_with(const ModelConfig& config) {
  for (const auto& [name, make] : family_entries())
    if (name == config.family) return *make();
  core::assertion_failed("the family of a configuration is listed", __FILE__, __LINE__);
}

}  // namespace attune::model
