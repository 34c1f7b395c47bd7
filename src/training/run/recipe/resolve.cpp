#include "training/run/recipe/resolve.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include "algorithm/fixture/shared_example.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "model/footprint.h"
#include "training/method_needs.h"
#include "training/optimizer/parameter_groups.h"
#include "training/optimizer/schedule.h"
#include "training/run/evaluation/best_evaluation.h"
#include "training/run/evaluation/evaluation.h"
#include "training/run/output/folder.h"
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

/// Whether a run left a file at OUTPUT; a name that can be none is refused later.
bool left_behind(const std::string& output, const char* file) {
  std::error_code ignored;
  return !output.empty() && core::fs::exists(core::join_path(output, file), ignored);
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

/// What is computed once before training is what is read of the reference's tokens.
void check_reference_cache(const TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  if (!any_term(terms, reads_reference))
    core::fail_request("reference.cache has no effect: no method of this run compares with a reference");
  const auto keeps_start = [&] {
    return !recipe.reference.path.empty() || recipe.adapter.type != "none" ||
           model::Model::peek_adapter(recipe.model);
  };
  if (recipe.teacher.path.empty() && any_term(terms, reads_teacher) && !keeps_start())
    core::fail_request(
        "reference.cache keeps what the reference says and lets its weights go, and teacher.system asks the same "
        "weights: use one of them, or name a teacher of its own (teacher.path)");
  for (const TermSetting& term : terms)
    for (const auto& need : term.method->needs())
      if (reads_reference(need) && (need.at != algorithm::Positions::kTokens || reads_head(need)))
        core::fail_request(
            "reference.cache keeps what the reference says of tokens, and {} reads '{}' elsewhere; leave it out",
            term.name, need.key());
}

void check_reference(const TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  const ReferenceOptions& reference = recipe.reference;
  const ReferenceOptions untouched;
  if (reference.cache) check_reference_cache(recipe, terms);
  if (reference.sync && !any_term(terms, reads_reference))
    core::fail_request("reference.sync has no effect: no method of this run compares with a reference");
  const auto belongs = [&](const char* key, bool set) {
    if (set && !reference.sync)
      core::fail_request(
          "reference.{} has no effect while the reference stands still; add reference.sync=true", key);
  };
  belongs("sync_steps", reference.sync_steps != untouched.sync_steps);
  belongs("mixup_alpha", reference.mixup_alpha != untouched.mixup_alpha);
}

void check_teacher(const TeacherOptions& teacher, const std::vector<TermSetting>& terms) {
  const bool read = any_term(terms, reads_teacher);
  if (teacher.given() && !read)
    core::fail_request("teacher has no effect: no method of this run reads a teacher");
  if (read && !teacher.given())
    core::fail_request(
        "{} learns from a teacher: set teacher.path=FOLDER, or teacher.system=TEXT for the model itself "
        "with another prompt",
        terms.front().name);
}

/// Needs the shapes of the model only, so that `check` can say it, too.
void check_parameter_groups(const TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  const auto rules = parameter_rules(recipe.training.parameter_groups);
  if (rules.empty()) return;
  require_matches(rules, model::Model::trainable_names(model::Model::peek_config(recipe.model),
                                                       recipe.adapter, heads_of_terms(terms)));
}

bool heeds(const ScheduleInfo& schedule, const std::string& key) {
  return std::ranges::find(schedule.heeds, key) != schedule.heeds.end();
}

std::vector<std::string> schedules_that_heed(const std::string& key) {
  std::vector<std::string> names;
  for (const auto& schedule : schedules())
    if (heeds(schedule, key)) names.push_back(schedule.name);
  return names;
}

/// Settings of some schedules that the others would ignore.
void check_schedule(const TrainRecipe& recipe) {
  TrainingOptions training = recipe.training, untouched;
  const core::Json set = core::fields_of(training).to_json(), defaults = core::fields_of(untouched).to_json();
  const ScheduleInfo chosen = schedule_info(training.schedule);
  for (const auto& schedule : schedules())
    for (const auto& key : schedule.heeds)
      if (set.at(key) != defaults.at(key) && !heeds(chosen, key))
        core::fail_request(
            "training.{} has no effect with training.schedule={}; leave it out, or choose a schedule that "
            "heeds it: {}",
            key, training.schedule, fmt::join(schedules_that_heed(key), ", "));
  if (chosen.follows_evaluation && !recipe.evaluates())
    core::fail_request(
        "training.schedule={} follows eval.{}, and there is no held-out data: set eval.data or val_size",
        training.schedule, recipe.eval.metric);
}

/// Said before anything is read; a metric of data that have none of it is found missing in the first evaluation.
void check_metric(const TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  if (!recipe.evaluates() || recipe.eval.metric == EvalOptions().metric) return;
  std::vector<std::string> names = {EvalOptions().metric};
  for (const TermSetting& term : terms)
    for (const std::string& name : algorithm::metric_names(*term.method))
      names.push_back(named(terms.size(), term.name, name));
  require_metric(recipe.eval.metric, names);
}

/// What needs the recipe alone, and without `terms` no method. @param ask is called with one check after the other
template <class Ask>
void each_check(const TrainRecipe& recipe, const std::vector<TermSetting>& terms, const Ask& ask) {
  ask([&] { check_schedule(recipe); });
  if (terms.empty()) return;
  ask([&] { check_reference(recipe, terms); });
  ask([&] { check_teacher(recipe.teacher, terms); });
  ask([&] { check_metric(recipe, terms); });
}

/// Names of modules and parameters, where the model is there and no adapter that is continued.
void check_names_of_modules(const TrainRecipe& recipe, const std::vector<TermSetting>& terms,
                            Objections& found) {
  Objections of_model;
  std::optional<model::ModelConfig> config;
  of_model.ask([&] {
    if (!model::Model::peek_adapter(recipe.model)) config = model::Model::peek_config(recipe.model);
  });
  if (!config) return;
  const bool adapts = recipe.adapter.type != "none";
  if (adapts && !found.ask([&] { model::Model::require_targets(*config, recipe.adapter); })) return;
  if (!terms.empty()) found.ask([&] { check_parameter_groups(recipe, terms); });
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
