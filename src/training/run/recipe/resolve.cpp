#include "training/run/recipe/resolve.h"

#include <algorithm>
#include <system_error>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "model/footprint.h"
#include "training/method_needs.h"
#include "training/run/evaluation/evaluation.h"
#include "training/run/output/folder.h"
#include "training/run/recipe/contradictions.h"
#include "training/run/recipe/fitting_rows.h"
#include "training/run/recipe/named_files.h"
#include "training/run/recipe/objections.h"

namespace attune::training {
namespace {

/// Tokens a micro-batch, so that activations take about an eighth of the memory; more than a few thousand
/// buys nothing.
std::int64_t choose_micro_batch(const model::ModelConfig& config, const model::AdapterOptions& adapter) {
  const double token = 4.0 * static_cast<double>(model::footprint(config, adapter, {}).taped);
  const double memory = core::machine().value("memory_mb", 4096.0) * 1e6;
  const auto tokens = static_cast<std::int64_t>(memory / 8 / token);
  return std::clamp<std::int64_t>(tokens / 256 * 256, 512, 4096);
}

/// Whether a run left a file at OUTPUT.
bool left_behind(const std::string& output, const char* file) {
  return !output.empty() && stands_there(core::join_path(output, file));
}

/// A run that goes on keeps the micro-batch that was chosen when it began.
std::int64_t recorded_micro_batch(const std::string& output) {
  if (!left_behind(output, "recipe.yaml")) return 0;
  const std::string path = core::join_path(output, "recipe.yaml");
  const auto recipe = core::parse_yaml(core::read_file(path), path).to_json();
  return recipe.is_object() && recipe.contains("training")
             ? recipe["training"].value("micro_batch_tokens", std::int64_t{0})
             : 0;
}

/// The first adapter setting that `asked` states and `real` has otherwise, "" when none does.
std::string first_change(model::AdapterOptions asked, model::AdapterOptions real) {
  model::AdapterOptions untouched;
  const core::Json wanted = core::fields_of(asked).to_json(), given = core::fields_of(real).to_json(),
                   standard = core::fields_of(untouched).to_json();
  for (const auto& [key, value] : wanted.items())
    if (key != "type" && key != "dropout" && value != standard.at(key) && value != given.at(key)) return key;
  return "";
}

/// Options that belong to another kind of adapter.
void refuse_unheeded(model::AdapterOptions asked) {
  model::AdapterOptions untouched;
  const auto info = model::adapter_named(asked.type).info();
  const core::Json standard = core::fields_of(untouched).to_json(), given = core::fields_of(asked).to_json();
  for (const auto& [key, value] : given.items())
    if (value != standard.at(key) && !info.heeds(key))
      core::fail_request("adapter.{} has no effect with adapter.type={}", key, asked.type);
}

/// A model folder that is an adapter is continued: its own settings are the run's.
void resolve_adapter(TrainRecipe& recipe) {
  auto& asked = recipe.adapter;
  if (auto loaded = model::Model::peek_adapter(recipe.model)) {
    const std::string change = first_change(asked, *loaded);
    if (!change.empty())
      core::fail_request(
          "adapter.{0}: the adapter in {1} has another {0}, and training continues it; leave adapter.{0} "
          "out, or start a new adapter from the base model",
          change, recipe.model.path);
    loaded->dropout = asked.dropout;
    asked = *loaded;
  }
  if (asked.type != "none") return refuse_unheeded(asked);
  model::AdapterOptions untouched;
  const std::string change = first_change(asked, untouched);
  if (!change.empty() || asked.dropout > 0)
    core::fail_request(
        "adapter.{} has no effect while every weight is trained; add adapter.type=lora (use_peft=true)",
        change.empty() ? "dropout" : change);
}

std::string in_full(const std::string& path) {
  std::error_code error;
  return core::fs::exists(path, error) ? core::fs::absolute(path).lexically_normal().string() : path;
}

/// A data setting is a path, {path: …}, or a list of these.
void name_in_full(core::Json& path) {
  if (path.is_string()) path = in_full(path.get<std::string>());
  if (path.is_object() && path.contains("path")) name_in_full(path["path"]);
  if (path.is_array())
    for (auto& entry : path) name_in_full(entry);
}

core::Json resolved_data(data::DataOptions options) {
  core::Json json = core::fields_of(options).to_json();
  name_in_full(json["path"]);
  return json;
}

core::Json resolved_method(const TermSetting& term) {
  core::Json json = term.resolved;
  if (json.contains("data")) name_in_full(json["data"]["path"]);
  return json;
}

core::Json resolved_pairing(const TrainRecipe& recipe) {
  const core::Value setting = recipe.pairing_setting();
  if (setting.is_null()) return nullptr;
  const auto pairing = record::make_pairing(setting);
  core::Json json = {{"name", pairing->info().name}};
  json.update(pairing->fields().to_json());
  return json;
}

}  // namespace

std::vector<std::string> objections_to(TrainRecipe recipe, bool complete, bool refused) {
  Objections found;
  if (complete) found.ask([&] { recipe.require_complete(); });
  found.ask([&] { recipe.refuse_contradictions(); });
  const TermFaults faults = take_faults_out(recipe);
  found.add_all(faults.of_data);
  found.add_all(faults.of_methods);
  found.ask([&] { recipe.settle(); });
  std::vector<TermSetting> terms;
  if (!recipe.method.is_null() && !recipe.data.is_null()) found.ask([&] { terms = terms_of(recipe); });
  const std::vector<TermSetting> none;  // what a method asks for hangs on its options
  each_check(recipe, faults.of_methods.empty() ? terms : none, [&](const auto& check) { found.ask(check); });
  // A run that goes on says itself what has changed since it began; one that is finished is refused with all else.
  Objections finished;
  finished.ask([&] { refuse_finished_run(recipe.output, recipe.resume, recipe.overwrite); });
  const bool there = left_behind(recipe.output, "run.json");
  if (there && finished.empty() && !refused && found.empty()) return {};
  const bool looked_at = refused || !found.empty() || !finished.empty();
  if (complete) found.add_all(std::move(finished).said());
  found.add_all(what_is_missing(recipe, terms));
  if (!recipe.model.path.empty()) {
    found.ask([&] { resolve_adapter(recipe); });
    check_names_of_modules(recipe, terms, found);
  }
  if (looked_at || !found.empty()) found.add_all(rows_that_do_not_fit(recipe, terms));
  return std::move(found).said();
}

void resolve(TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  auto& training = recipe.training;
  resolve_adapter(recipe);
  each_check(recipe, terms, [](const auto& check) { check(); });
  check_parameter_groups(recipe, terms);
  if (training.learning_rate == 0) training.learning_rate = terms.front().method->info().learning_rate;
  if (training.micro_batch_tokens == 0 && !recipe.overwrite)
    training.micro_batch_tokens = recorded_micro_batch(recipe.output);
  if (training.micro_batch_tokens == 0)
    training.micro_batch_tokens = choose_micro_batch(model::Model::peek_config(recipe.model), recipe.adapter);
  if (training.dtype != "float32") recipe.model.dtype = training.dtype;
  if (recipe.adapter.dropout > 0) training.share_prefixes = false;
}

core::Json resolved_json(TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  core::Json json = core::fields_of(recipe).to_json();
  for (const char* key : {"resume", "overwrite"}) json.erase(key);
  for (const char* key : {"path", "adapter", "base"}) name_in_full(json["model"][key]);
  name_in_full(json["reference"]["path"]);
  name_in_full(json["teacher"]["path"]);
  json["training"].erase("pairs");
  json["pairing"] = resolved_pairing(recipe);
  json["data"] = resolved_data(data_options(recipe.data, "data"));
  if (!recipe.eval.data.is_null()) json["eval"]["data"] = resolved_data(held_out_options(recipe));
  if (!recipe.method.is_list()) {
    json["method"] = resolved_method(terms.front());
    return json;
  }
  json["method"] = core::Json::array();
  for (const auto& term : terms) json["method"].push_back(resolved_method(term));
  return json;
}

}  // namespace attune::training
