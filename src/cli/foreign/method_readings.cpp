// Names of models and adapters.
#include <fmt/format.h>

#include "cli/foreign/reader.h"

namespace attune::cli {
namespace {

using core::Value;

void read_use_peft(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  const auto wanted = core::truth_of(value);
  if (!wanted) return reader.refuse(name, value, "true or false, found " + value.described());
  reader.set("adapter.type", *wanted ? "lora" : "none", value);
  if (*wanted)
    reader.set_default("adapter.dropout", "0.05", value, {"lora_dropout", "peft_config"});  // as TRL
}

/// LLaMA-Factory's alpha is twice the rank unless it is given.
void read_rank(ForeignReader& reader, const std::string&, const Value& value) {
  if (value.is_null()) return;
  reader.set("adapter.rank", value);
  const core::Json rank = value.to_json();
  if (rank.is_number_integer())
    reader.set_default("adapter.alpha", fmt::format("{}", 2 * rank.get<std::int64_t>()), value,
                       {"lora_alpha"});
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
  const std::string text = text_of(value);
  if (text == "lora" || text == "full")
    return reader.set("adapter.type", text == "lora" ? "lora" : "none", value);
  if (!is_off(value)) reader.refuse(name, value);
}

/// "a,b" is a list of two.
Value names_in(const Value& value) {
  if (!value.is_scalar() || value.text().find(',') == std::string::npos) return value;
  std::vector<Value> names;
  for (const std::string& name : parts_of(value.text()))
    names.push_back(Value::scalar(name, true, value.place()));
  return Value::list(std::move(names), value.place());
}

void read_targets(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_off(value)) return;
  if (value.is_scalar() && value.text() == "all")
    return reader.set("adapter.target_modules", "all-linear", value);
  reader.set("adapter.target_modules", names_in(value));
}

void read_saved_modules(ForeignReader& reader, const std::string&, const Value& value) {
  if (!is_off(value)) reader.set("adapter.modules_to_save", names_in(value));
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
    {"use_peft", read_use_peft},
    {"lora_rank", read_rank},
    {"peft_config", read_map},
    {"model_init_kwargs", read_map},
    {"model_revision", read_revision},
    {"revision", read_revision},
    {"finetuning_type", read_tuning},
    {"lora_target", read_targets},
    {"lora_target_modules", read_targets},
    {"target_modules", read_targets},
    {"lora_target_linear", read_target_linear},
    {"additional_target", read_saved_modules},
    {"init_lora_weights", read_init},
    {"peft_init_lora_weights", read_init},
    {"adapter", read_adapter},
};

}  // namespace

std::span<const Reading> method_readings() { return kMethodReadings; }

}  // namespace attune::cli
