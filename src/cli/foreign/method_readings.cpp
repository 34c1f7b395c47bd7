// Names of methods, losses, models and adapters.
#include "cli/foreign/reader.h"

namespace attune::cli {
namespace {

using core::Value;

void read_losses(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value)) return;
  if (!value.is_list() || value.items().size() == 1) return reader.set("method.loss_type", value);
  reader.refuse(name, value, find_guide_row("loss_weights")->note);
}

void read_loss_weights(ForeignReader& reader, const std::string& name, const Value& value) {
  const Value* losses = reader.given("loss_type");
  const bool told = losses != nullptr && losses->is_list() && losses->items().size() > 1;
  if (!is_off(value) && !told) reader.refuse(name, value);
}

void read_pref_loss(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = value.is_scalar() ? value.text() : "";
  if (is_off(value) || text == "sigmoid") return;
  if (text == "ipo" || text == "hinge") return reader.set("method.name", text, value);
  reader.refuse(name, value, "no method '" + text + "'; see attune list methods");
}

void read_use_peft(ForeignReader& reader, const std::string&, const Value& value) {
  if (!value.is_null()) reader.set("adapter.type", is_true(value) ? "lora" : "none", value);
}

void read_map(ForeignReader& reader, const std::string& name, const Value& value) {
  if (name == "peft_config" && value.is_map()) reader.set("adapter.type", "lora", value);
  for (const auto& [key, entry] : value.entries())
    if (!reader.take(key, entry)) reader.refuse(name + "." + key, entry, "no setting is known by this name");
}

void read_revision(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!is_off(value) && value.text() != "main") reader.refuse(name, value);
}

void read_tuning(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = value.is_scalar() ? value.text() : "";
  if (text == "lora" || text == "full")
    return reader.set("adapter.type", text == "lora" ? "lora" : "none", value);
  if (!is_off(value)) reader.refuse(name, value);
}

void read_targets(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_off(value)) return;
  if (!value.is_scalar()) return reader.set("adapter.target_modules", value);
  if (value.text() == "all") return reader.set("adapter.target_modules", "all-linear", value);
  if (value.text().find(',') == std::string::npos) return reader.set("adapter.target_modules", value);
  std::vector<Value> names;
  std::string rest = value.text() + ",";
  for (std::size_t comma; (comma = rest.find(',')) != std::string::npos; rest = rest.substr(comma + 1))
    names.push_back(Value::scalar(rest.substr(0, comma), true, value.place()));
  reader.set("adapter.target_modules", Value::list(std::move(names), value.place()));
}

void read_target_linear(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_true(value)) reader.set("adapter.target_modules", "all-linear", value);
}

void read_init(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_true(value)) return reader.set("adapter.init", "default", value);
  if (is_off(value)) return reader.refuse(name, value, "true or gaussian: B begins at zero");
  reader.set("adapter.init", value);
}

void read_adapter(ForeignReader& reader, const std::string& name, const Value& value) {
  reader.refuse(name, value);
}

constexpr Reading kMethodReadings[] = {
    {"loss_type", read_losses},
    {"loss_weights", read_loss_weights},
    {"pref_loss", read_pref_loss},
    {"use_peft", read_use_peft},
    {"peft_config", read_map},
    {"model_init_kwargs", read_map},
    {"model_revision", read_revision},
    {"revision", read_revision},
    {"finetuning_type", read_tuning},
    {"lora_target", read_targets},
    {"lora_target_modules", read_targets},
    {"target_modules", read_targets},
    {"lora_target_linear", read_target_linear},
    {"init_lora_weights", read_init},
    {"adapter", read_adapter},
};

}  // namespace

std::span<const Reading> method_readings() { return kMethodReadings; }

}  // namespace attune::cli
