// Names of models and adapters.
#include <fmt/format.h>

#include <array>
#include <optional>

#include "cli/foreign/reader.h"
#include "core/error.h"
#include "model/model.h"

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

/// Whether an adapter is there that training goes on with; not where the model cannot be read, which is said there.
bool continues_adapter(const ForeignReader& reader) {
  const Value* model = reader.settings().find("model");
  if (model == nullptr) return false;
  if (model->find("adapter") != nullptr) return true;
  const Value* path = model->is_map() ? model->find("path") : model;
  try {
    model::ModelOptions options;
    options.path = path == nullptr ? "" : text_of(*path);
    return !options.path.empty() && model::Model::peek_adapter(options).has_value();
  } catch (const core::Error&) {
    return false;
  }
}

bool trains_adapter(const ForeignReader& reader) {
  // What was refused says nothing, but asks for something.
  const Value *asked = reader.given("adapter"), *tuning = reader.given("finetuning_type"),
              *use = reader.given("use_peft");
  const bool unclear = (asked != nullptr && asked->is_scalar() && !is_off(*asked)) ||
                       (is_on(tuning) && text_of(*tuning) != "full") ||
                       (use != nullptr && !core::truth_of(*use));
  if (unclear) return true;
  const Value* adapter = reader.settings().find("adapter");
  const Value* type = adapter != nullptr && adapter->is_map() ? adapter->find("type") : adapter;
  return (type != nullptr && !is_off(*type)) || continues_adapter(reader);
}

/// What TRL's ModelConfig says by itself, whether LoRA is asked for or not.
bool is_default_of_trl(const std::string& name, const Value& value) {
  constexpr std::array<std::pair<std::string_view, double>, 3> kDefaults = {
      {{"lora_r", 16}, {"lora_alpha", 32}, {"lora_dropout", 0.05}}};
  return std::ranges::any_of(kDefaults, [&](const auto& known) {
    const core::Json json = value.to_json();
    return known.first == name && json.is_number() && json.get<double>() == known.second;
  });
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

void settle_adapter(ForeignReader& reader) {
  if (trains_adapter(reader)) return;
  const Value* use = reader.given("use_peft");
  const std::vector<Origin> origins = reader.origins();
  std::vector<std::string> said;
  for (const Origin& origin : origins) {
    if (!origin.ours.starts_with("adapter.") || origin.ours == "adapter.type") continue;
    reader.drop(origin.ours);
    const bool again = std::ranges::find(said, origin.name) != said.end();
    if (again || is_off(origin.value)) continue;
    said.push_back(origin.name);
    if (use != nullptr && is_default_of_trl(origin.name, origin.value))
      reader.note(origin.name, "of LoRA, and use_peft=false trains every weight");
    else
      reader.refuse(
          origin.name, origin.value,
          "of LoRA, and every weight is trained: add adapter.type=lora (use_peft=true), or leave it out");
  }
}

std::span<const Reading> method_readings() { return kMethodReadings; }

}  // namespace attune::cli
