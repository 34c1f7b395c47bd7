#include "model/family.h"

#include "core/error.h"

namespace attune::model {

const Family& family_of(const core::Json& config, const std::string& where) {
  if (!config.is_object()) core::fail_request("{}: expected a JSON object", where);
  const auto found = config.find("model_type");
  std::string supported;
  for (const auto& [name, make] : family_entries()) {
    const Family* family = make();
    for (const auto& type : family->info().model_types) {
      if (found != config.end() && found->is_string() && found->get<std::string>() == type) return *family;
      supported += (supported.empty() ? "" : ", ") + type;
    }
  }
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
