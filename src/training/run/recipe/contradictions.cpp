#include "training/run/recipe/contradictions.h"

#include <algorithm>
#include <optional>

#include "algorithm/fixture/shared_example.h"
#include "core/error.h"
#include "model/model.h"
#include "training/method_needs.h"
#include "training/optimizer/parameter_groups.h"
#include "training/optimizer/schedule.h"
#include "training/run/evaluation/best_evaluation.h"
#include "training/run/evaluation/evaluation.h"

namespace attune::training {
namespace {

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

}  // namespace

void each_check(const TrainRecipe& recipe, const std::vector<TermSetting>& terms, const Ask& ask) {
  ask([&] { check_schedule(recipe); });
  if (terms.empty()) return;
  ask([&] { check_reference(recipe, terms); });
  ask([&] { check_teacher(recipe.teacher, terms); });
  ask([&] { check_metric(recipe, terms); });
}

void check_parameter_groups(const TrainRecipe& recipe, const std::vector<TermSetting>& terms) {
  const auto rules = parameter_rules(recipe.training.parameter_groups);
  if (rules.empty()) return;
  require_matches(rules, model::Model::trainable_names(model::Model::peek_config(recipe.model),
                                                       recipe.adapter, heads_of_terms(terms)));
}

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

}  // namespace attune::training
