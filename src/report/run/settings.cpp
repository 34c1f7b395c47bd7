#include "report/run/settings.h"

#include "core/config/value.h"
#include "core/error.h"

namespace attune::report {

Settings::Settings(const std::string& recipe) {
  try {
    recipe_ = core::parse_yaml(recipe, "recipe.yaml").to_json();
  } catch (const core::Error&) {
  }
}

const core::Json* Settings::find(std::string_view name) const {
  const core::Json* value = &recipe_;
  while (true) {
    if (!value->is_object()) return nullptr;
    const std::size_t dot = name.find('.');
    const auto inner = value->find(std::string(name.substr(0, dot)));
    if (inner == value->end()) return nullptr;
    value = &*inner;
    if (dot == std::string_view::npos) return value;
    name.remove_prefix(dot + 1);
  }
}

std::string Settings::text(std::string_view name, std::string_view first_field) const {
  const core::Json* value = find(std::string(name) + "." + std::string(first_field));
  if (value == nullptr) value = find(name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

bool Settings::samples_itself() const {
  const core::Json* rollout = find("rollout");
  if (rollout == nullptr || !rollout->is_object() || !rollout->contains("per_prompt")) return false;
  const core::Json& samples = (*rollout)["per_prompt"];
  return samples.is_number() && samples.get<double>() > 0;
}

}  // namespace attune::report
