#include <algorithm>

#include "algorithm/method.h"
#include "cli/command.h"
#include "cli/method_rows.h"
#include "cli/recipes.h"
#include "core/config/nearest.h"
#include "core/error.h"
#include "data/format.h"
#include "feedback/rule.h"
#include "generation/decoding.h"
#include "model/adapter.h"
#include "model/family.h"
#include "model/model.h"
#include "record/pairing.h"
#include "report/metric_names.h"
#include "training/hook.h"
#include "training/optimizer/schedule.h"

namespace attune::cli {
namespace {

using core::Json;
using Rows = std::vector<Json>;

Json row(const std::string& name, const std::string& paper, const std::string& summary,
         Json options = Json::array()) {
  return {{"name", name}, {"paper", paper}, {"summary", summary}, {"options", std::move(options)}};
}

Rows families() {
  Rows rows;
  for (const auto& [name, make] : model::family_entries()) {
    const auto info = make()->info();
    Json object = row(info.name, info.paper, info.summary);
    object["model_types"] = info.model_types;
    rows.push_back(std::move(object));
  }
  return rows;
}

Rows formats() {
  Rows rows;
  for (const auto& [name, make] : data::format_entries()) {
    const auto info = make()->info();
    Json object = row(info.name, info.paper, info.summary);
    object["columns"] = info.columns;
    rows.push_back(std::move(object));
  }
  return rows;
}

/// Entries whose card is name, paper and summary, with options.
Rows rows_of(const auto& entries) {
  Rows rows;
  for (const auto& [name, make] : entries) {
    const auto entry = make();
    const auto info = entry->info();
    rows.push_back(row(info.name, info.paper, info.summary, core::options_json(entry->fields())));
  }
  return rows;
}

Rows pairings() {
  Rows rows;
  for (const auto& [name, make] : record::pairing_entries()) {
    const auto pairing = make();
    const auto info = pairing->info();
    Json object = row(info.name, info.paper, info.summary, core::options_json(pairing->fields()));
    object["makes"] = Json::array();
    for (const auto shape : pairing->shapes()) object["makes"].push_back(record::to_text(shape));
    rows.push_back(std::move(object));
  }
  return rows;
}

Rows rules() { return rows_of(feedback::rule_entries()); }

Rows techniques() {
  Rows rows;
  for (const auto& [name, make] : generation::decoding_entries()) {
    const auto technique = make();
    const auto info = technique->info();
    Json object = row(info.name, info.paper, info.summary, core::options_json(technique->fields()));
    object["formula"] = info.formula;
    rows.push_back(std::move(object));
  }
  return rows;
}

Rows commands() {
  Rows rows;
  for (const auto& [name, make] : command_entries()) {
    const auto command = make();
    const CommandInfo info = command->info();
    core::Fields fields;
    command->declare(fields);
    Json object = row(info.name, "", info.summary, core::options_json(fields));
    object["usage"] = info.usage;
    object["details"] = info.details;
    object["flags"] = info.flags;
    object["examples"] = Json::array();
    for (const CommandExample& example : info.examples)
      object["examples"].push_back({{"line", example.line}, {"meaning", example.meaning}});
    rows.push_back(std::move(object));
  }
  return rows;
}

Rows adapters() {
  Rows rows = {row("none", "", "Every weight is trained.")};
  model::AdapterOptions options;
  const Json all = core::options_json(core::fields_of(options));
  for (const auto& [name, make] : model::adapter_entries()) {
    const auto info = make()->info();
    Json heeded = Json::array();
    for (const Json& option : all)
      if (info.heeds(option["name"].get<std::string>())) heeded.push_back(option);
    rows.push_back(row(info.name, info.paper, info.summary, std::move(heeded)));
  }
  return rows;
}

Rows hooks() { return rows_of(training::hook_entries()); }

Rows schedules() {
  Rows rows;
  for (const auto& schedule : training::schedules()) rows.push_back(row(schedule.name, "", schedule.summary));
  return rows;
}

Rows metrics() {
  Rows rows;
  const auto add = [&](const auto& metric) {
    Json object = row(std::string(metric.name), "", std::string(metric.meaning));
    object["title"] = metric.title;
    object["unit"] = metric.unit;
    object["better"] = report::to_text(metric.better);
    rows.push_back(std::move(object));
  };
  for (const auto& metric : report::metric_names()) add(metric);
  for (const auto& [name, make] : algorithm::method_entries())
    for (const auto& metric : make()->info().metrics) add(metric);
  return rows;
}

Rows recipes() {
  Rows rows;
  for (const BundledRecipe& recipe : bundled_recipes()) {
    Json object = row(recipe.name, "", recipe.summary);
    object["path"] = recipe.path;
    object["command"] = recipe.command;
    rows.push_back(std::move(object));
  }
  return rows;
}

Rows nothing_yet() { return {}; }

std::string no_heading(const Json&) { return ""; }

struct Kind {
  std::string name;
  Rows (*rows)();
  std::string (*heading)(const Json& item) = no_heading;  ///< the line above items of a part
};

/// Every kind; those without entries are empty lists.
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {{"methods", method_rows, method_heading},
                                        {"families", families},
                                        {"formats", formats},
                                        {"adapters", adapters},
                                        {"rules", rules},
                                        {"hooks", hooks},
                                        {"pairings", pairings},
                                        {"tasks", nothing_yet},
                                        {"attacks", nothing_yet},
                                        {"decoding", techniques},
                                        {"pipelines", nothing_yet},
                                        {"recipes", recipes},
                                        {"schedules", schedules},
                                        {"metrics", metrics},
                                        {"commands", commands}};
  return all;
}

const Kind& kind_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return kind;
    names.push_back(kind.name);
  }
  core::fail_request("there is no kind '{}' to list{}", name, core::did_you_mean(name, names));
}

/// What stands in brackets behind a summary: a file, a paper, or why a method is not there and what is.
std::string behind(const Json& item) {
  for (const char* key : {"path", "reason", "how"})
    if (item.contains(key)) return item[key].get<std::string>();
  return item["paper"].get<std::string>();
}

void print_table(const Rows& rows, const Kind& kind, Output& out) {
  if (rows.empty()) return out.text(fmt::format("no {} yet\n", kind.name));
  std::size_t width = 0;
  for (const Json& item : rows) width = std::max(width, item["name"].get_ref<const std::string&>().size());
  std::string text, above;
  for (const Json& item : rows) {
    if (const std::string title = kind.heading(item); title != above) {
      text += fmt::format("{}{}\n", text.empty() ? "" : "\n", title);
      above = title;
    }
    const std::string source = behind(item);
    text += fmt::format("{:<{}}  {}{}\n", item["name"].get<std::string>(), width,
                        item["summary"].get<std::string>(), source.empty() ? "" : " [" + source + "]");
  }
  out.text(text);
}

class List : public Command {
 public:
  CommandInfo info() const override {
    std::vector<std::string> names;
    for (const Kind& kind : kinds())
      if (kind.rows != nothing_yet) names.push_back(kind.name);
    return {.name = "list",
            .summary = "Shows what there is: methods, families, formats, rules …",
            .usage = "KIND [--json]",
            .details = fmt::format("Kinds: {}. With --json one object a line: name, paper, summary, options "
                                   "with types and defaults.",
                                   fmt::join(names, ", ")),
            .examples = {{"attune list methods", "every learning method with its paper"},
                         {"attune list rules --json", "the rules with all their options, for programs"}},
            .min_words = 1,
            .max_words = 1,
            .flags = {},
            .known_words = names};
  }
  void declare(core::Fields&) override {}
  int run(const Request& request, Output& out) override {
    const Kind& kind = kind_named(request.words.front());
    const Rows rows = kind.rows();
    if (!out.json()) {
      print_table(rows, kind, out);
      return 0;
    }
    for (const Json& item : rows) out.line(item);
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> command_list() { return std::make_unique<List>(); }

}  // namespace attune::cli
