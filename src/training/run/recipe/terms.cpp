#include "training/run/recipe/terms.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/system.h"
#include "training/run/evaluation/evaluation.h"
#include "training/run/recipe/loss_list.h"
#include "training/run/recipe/objections.h"

namespace attune::training {
namespace {

/// Several splits are several entries.
void refuse_splits(const core::Value& setting, const std::string& key) {
  const core::Value *split = setting.find("split"), *path = setting.find("path");
  if (split == nullptr || !split->is_list()) return;
  const std::string folder = path != nullptr && path->is_scalar() ? path->text() : "FOLDER";
  std::vector<std::string> entries;
  for (const auto& name : split->items())
    entries.push_back(fmt::format("{{path: {}, split: {}}}", folder, name.text()));
  core::fail_request("{}: {}.split is one split; several are a list, {}=[{}]", split->place(), key, key,
                     fmt::join(entries, ", "));
}

data::DataOptions assigned(data::DataOptions options, const core::Value& setting, const std::string& key) {
  refuse_splits(setting, key);
  options.key = key;
  core::Fields outer;
  outer.section(key, options, "", "path");
  outer.assign_all(core::Value::map({{key, setting}}, setting.place()), "");
  return options;
}

/// The main data's way of reading, without what names its rows.
data::DataOptions beside(const TrainRecipe& recipe, const core::Value& setting, const std::string& key) {
  data::DataOptions options = data_options(recipe.data, "data");
  options.path = nullptr;
  options.split.clear();
  options.limit = 0;
  return assigned(std::move(options), setting, key);
}

core::Json resolved_method(algorithm::Method& method) {
  core::Json resolved = {{"name", method.info().name}};
  resolved.update(method.fields().to_json());
  return resolved;
}

TermSetting term_of(const TrainRecipe& recipe, const core::Value& setting, const std::string& key) {
  TermSetting term;
  core::Value options = setting;
  const core::Value* own = options.is_map() ? options.find("data") : nullptr;
  term.data = own != nullptr ? beside(recipe, *own, key + ".data") : data_options(recipe.data, "data");
  if (!recipe.teacher.system.empty()) term.data.teacher_system = recipe.teacher.system;
  const core::Json own_data = own != nullptr ? core::fields_of(term.data).to_json() : core::Json();
  if (options.is_map()) {
    if (const auto* weight = options.find("weight")) {
      core::Fields fields;
      fields.add("weight", term.weight, "Weight of this method in the sum.");
      fields.find("weight")->assign(*weight, key + ".weight");
    }
    std::erase_if(options.entries(),
                  [](const auto& entry) { return entry.first == "data" || entry.first == "weight"; });
  }
  term.method = algorithm::make_method(options, key);
  term.name = term.method->info().name;
  term.resolved = resolved_method(*term.method);
  if (recipe.method.is_list()) term.resolved["weight"] = term.weight;
  if (!own_data.is_null()) term.resolved["data"] = own_data;
  return term;
}

/// The recipe's pairing for every method that it makes something for; the others keep their default. A
/// pairing that serves nobody is refused.
void set_uses(const TrainRecipe& recipe, std::vector<TermSetting>& terms) {
  const core::Value setting = recipe.pairing_setting();
  bool serves = setting.is_null();
  for (TermSetting& term : terms) {
    const auto shape = term.method->shape();
    term.use = row_use(*term.method);
    if (setting.is_null()) continue;
    std::shared_ptr<record::Pairing> pairing = record::make_pairing(setting);
    if (!pairing->makes(shape)) continue;
    term.use = row_use(*term.method, std::move(pairing));
    serves = true;
  }
  if (!serves)
    record::require_shape(*record::make_pairing(setting), terms.front().method->shape(), terms.front().name);
}

bool is_of_any_method(const std::string& option) {
  return std::ranges::any_of(algorithm::method_entries(), [&](const auto& entry) {
    const auto method = entry.second();
    core::Fields options = method->fields();
    return options.find(option) != nullptr;
  });
}

core::Value without(core::Value map, std::initializer_list<std::string_view> keys) {
  std::erase_if(map.entries(),
                [&](const auto& entry) { return std::ranges::find(keys, entry.first) != keys.end(); });
  return map;
}

/// Only what says which method it is, and its data. @param with_loss its loss_type, too
core::Value bare(core::Value entry, bool with_loss) {
  std::erase_if(entry.entries(), [&](const auto& option) {
    const std::string& key = option.first;
    return key != "name" && key != "data" && !(with_loss && key == "loss_type");
  });
  return entry;
}

/// What is wrong beside a loss that is not known, as the method that is named has it: options that only others have may
/// be the loss's own. @return that method
core::Value judged_by_name(const core::Value& entry, const std::string& key, Objections& wrong) {
  const core::Value named = bare(entry, false);
  Objections unheard;
  std::unique_ptr<algorithm::Method> method;
  if (!unheard.ask([&] { method = algorithm::make_method(without(named, {"data"}), key); }))
    return core::Value::null(entry.place());
  core::Fields own = method->fields();
  core::Value others = without(entry, {"loss_type", "loss_weights", "data", "weight"});
  std::erase_if(others.entries(), [&](const auto& option) {
    return option.first != "name" && own.find(option.first) == nullptr && is_of_any_method(option.first);
  });
  wrong.ask([&] { algorithm::make_method(others, key); });
  return named;
}

/// One entry without what is wrong with it.
core::Value sound_method(const core::Value& entry, const std::string& key, Objections& wrong) {
  if (wrong.ask([&] { algorithm::make_method(without(entry, {"data", "weight"}), key); })) return entry;
  if (!entry.is_map()) return core::Value::null(entry.place());
  const core::Value loss = bare(entry, true);
  Objections unheard;
  if (unheard.ask([&] { algorithm::make_method(without(loss, {"data"}), key); })) return loss;
  return judged_by_name(entry, key, wrong);
}

/// A data setting without what is wrong with it; null where that says which rows there are and how they are read.
core::Value sound_data(const core::Value& setting, const std::string& key, Objections& wrong) {
  constexpr std::array<std::string_view, 4> kOfRows = {"path", "split", "format", "columns"};
  if (wrong.ask([&] { data_options(setting, key); })) return setting;
  core::Value sound = setting;
  bool readable = setting.is_map();
  std::erase_if(sound.entries(), [&](const auto& entry) {
    Objections unheard;
    if (unheard.ask([&] { data_options(core::Value::map({entry}, setting.place()), key); })) return false;
    readable = readable && std::ranges::find(kOfRows, entry.first) == kOfRows.end();
    return true;
  });
  return readable ? sound : core::Value::null(setting.place());
}

/// How to come by rewards, where answers are there and have none, or not even answers are.
std::string how_to_rate(const data::DataOptions& options, const data::DatasetSummary& summary,
                        const data::RowUse& use, const std::string& model) {
  const auto& reasons = summary.dropped;
  const bool unrated = reasons.contains("no rewards") || reasons.contains("no completion");
  if (!use.learns(record::GroupShape::kGroups) || !unrated) return "";
  const std::string folder = model.empty() ? "MODEL" : model;
  return fmt::format(
      "\nAnswers with rewards come of\n  attune generate model={0} data={1} n=8 temperature=1 "
      "output=answers.jsonl\n  attune score model={0} data=answers.jsonl rule=RULE records=true "
      "output=rated.jsonl\nwith one of `attune list rules` (or reward_model=FOLDER in its place), and "
      "data=rated.jsonl is learned from",
      folder, options.name());
}

/// What scores of steps are where nothing but how far below 0 tells them apart, which says no more than 0.
std::string steps_alike(const data::FeedbackSpread& spread) {
  const std::string all = core::counted(spread.steps, "step");
  if (spread.highest_step <= 0) return fmt::format("all {} are scored wrong", all);
  if (spread.highest_step == 1) return fmt::format("all {} are scored right", all);
  return fmt::format("the scores of all {} are {:g}", all, spread.highest_step);
}

}  // namespace

std::vector<TermSetting> terms_of(const TrainRecipe& recipe) {
  std::vector<TermSetting> terms;
  if (!recipe.method.is_list()) terms.push_back(term_of(recipe, recipe.method, "method"));
  for (std::size_t i = 0; i < recipe.method.items().size(); ++i)
    terms.push_back(term_of(recipe, recipe.method.items()[i], fmt::format("method[{}]", i)));
  if (terms.empty()) core::fail_request("{}: method is an empty list", recipe.method.place());
  set_uses(recipe, terms);
  return terms;
}

TermFaults take_faults_out(TrainRecipe& recipe) {
  Objections of_data, of_methods;
  if (!recipe.data.is_null()) recipe.data = sound_data(recipe.data, "data", of_data);
  if (recipe.method.is_null()) return {std::move(of_data).said(), {}};
  // Losses that cannot be told apart: what is wrong with them, and what else is.
  const bool apart = of_methods.ask([&] { recipe.method = losses_apart(recipe.method); });
  if (!recipe.method.is_list()) {
    recipe.method = apart ? sound_method(recipe.method, "method", of_methods)
                          : judged_by_name(recipe.method, "method", of_methods);
    return {std::move(of_data).said(), std::move(of_methods).said()};
  }
  std::vector<core::Value> entries;
  for (std::size_t i = 0; i < recipe.method.items().size(); ++i)
    entries.push_back(sound_method(recipe.method.items()[i], fmt::format("method[{}]", i), of_methods));
  std::erase_if(entries, [](const core::Value& entry) { return entry.is_null(); });
  const bool none_left = entries.empty() && !recipe.method.items().empty();
  recipe.method = none_left ? core::Value::null(recipe.method.place())
                            : core::Value::list(std::move(entries), recipe.method.place());
  return {std::move(of_data).said(), std::move(of_methods).said()};
}

std::vector<record::MetricMeaning> own_metrics(const std::vector<TermSetting>& terms) {
  std::vector<record::MetricMeaning> own;
  for (const TermSetting& term : terms)
    for (record::MetricMeaning metric : term.method->info().metrics) {
      metric.name = named(terms.size(), term.name, metric.name);
      own.push_back(std::move(metric));
    }
  return own;
}

data::DataOptions data_options(const core::Value& setting, const std::string& key) {
  return assigned({}, setting, key);
}

data::DataOptions held_out_options(const TrainRecipe& recipe) {
  auto options = beside(recipe, recipe.eval.data, "eval.data");
  if (!options.given())
    core::fail_request("eval.data names no file; for example eval.data.path=held_out.jsonl");
  if (!recipe.teacher.system.empty()) options.teacher_system = recipe.teacher.system;
  return options;
}

data::RowUse row_use(const algorithm::Method& method, std::shared_ptr<record::Pairing> pairing) {
  if (!pairing) pairing = record::default_pairing(method.shape());
  return data::RowUse(method.shape(), std::move(pairing)).asking(method.feedback_needs());
}

void require_rows(const data::DataOptions& options, const data::DatasetSummary& summary,
                  const data::RowUse& use, const Learner& learner) {
  if (summary.rows_kept == 0)
    core::fail_request(
        "{}: no row of {} can be used by {}{}{}\n`attune check` with the same settings shows more",
        options.key, summary.rows_read, learner.method, left_out_text(summary),
        how_to_rate(options, summary, use, learner.model));
  if (summary.teaching_nothing < summary.rows_kept || options.key == "eval.data") return;
  std::string reasons;
  for (const auto& text : summary.noticed.texts()) reasons += "\n  " + text;
  core::fail_request("{}: no row of {} teaches {} anything{}{}", options.key, summary.rows_read,
                     learner.method, reasons, left_out_text(summary));
}

std::string one_sided_text(const data::DatasetSummary& summary, const data::RowUse& use) {
  const auto& spread = summary.spread;
  const auto first = [&](const std::string& what) {
    return fmt::format("{} ({} is the first): ", what, spread.first);
  };
  const auto said = [&](const std::string& what) { return first(what) + "there is nothing to tell apart"; };
  switch (use.needs().contrast) {
    case record::Contrast::kLabels:
      if (spread.good > 0 && spread.bad > 0) return "";
      return said(fmt::format("all {} are labelled {}", core::counted(spread.good + spread.bad, "answer"),
                              spread.good > 0 ? "good" : "bad"));
    case record::Contrast::kRewards:
      if (spread.highest > spread.lowest || spread.rated == 0) return "";
      return said(fmt::format("the rewards of all {} are {:g}", core::counted(spread.rated, "answer"),
                              spread.lowest));
    case record::Contrast::kSteps:
      if (spread.steps == 0 || std::max(spread.highest_step, 0.0) > std::max(spread.lowest_step, 0.0))
        return "";
      return said(steps_alike(spread));
    case record::Contrast::kSources:
      if (spread.several_sources || spread.preferred == 0) return "";
      return first(spread.source.empty()
                       ? "no preferred answer has a \"source\""
                       : fmt::format("all {} are of \"source\" {}",
                                     core::counted(spread.preferred, "preferred answer"), spread.source)) +
             "all are one group, as without groups";
    case record::Contrast::kNothing:
      break;
  }
  return "";
}

}  // namespace attune::training
