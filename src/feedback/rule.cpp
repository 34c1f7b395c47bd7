#include "feedback/rule.h"

#include "core/config/nearest.h"

#include <algorithm>

namespace attune::feedback {
namespace {

/// TRL's names for what is called otherwise here.
std::string our_name(const std::string& name) {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {"accuracy", "math_answer"},
      {"accuracy_reward", "math_answer"},
      {"think_format_reward", "think_format"},
      {"repetition_penalty_reward", "repetition"},
      {"get_repetition_penalty_reward", "repetition"},
  };
  for (const auto& [theirs, ours] : names) {
    if (theirs == name) return ours;
  }
  return name;
}

std::unique_ptr<Rule> rule_named(const std::string& given, const core::Value& at, const std::string& key) {
  const std::string name = our_name(given);
  std::vector<std::string> known;
  for (const auto& [entry, make] : rule_entries()) {
    if (entry == name) return make();
    known.emplace_back(entry);
  }
  core::fail_request("{}: {} names no rule: '{}'{}", at.place(), key, given, core::did_you_mean(name, known));
}

double weight_of(const core::Value& settings, const std::string& key) {
  struct {
    double weight = 1;
    void declare(core::Fields& fields) { fields.add("weight", weight, "Factor of the rule's reward."); }
  } options;
  if (const core::Value* weight = settings.find("weight")) {
    core::fields_of(options).find("weight")->assign(*weight, key + ".weight");
  }
  return options.weight;
}

GivenRule one_rule(const core::Value& settings, const std::string& key) {
  if (settings.is_scalar()) {
    GivenRule one{our_name(settings.text()), rule_named(settings.text(), settings, key)};
    one.rule->check();
    return one;
  }
  const core::Value* name = settings.find("name");
  if (!name || !name->is_scalar()) {
    core::fail_request("{}: {} is {}; write a rule's name, or {{name: …, options…}}, see attune list rules",
                       settings.place(), key, settings.described());
  }
  GivenRule one{our_name(name->text()), rule_named(name->text(), *name, key + ".name"),
                weight_of(settings, key)};
  core::Fields fields = one.rule->fields();
  fields.assign_all(settings, key, {"name", "weight"});
  one.rule->check();
  return one;
}

void number_repeated_names(std::vector<GivenRule>& rules) {
  std::map<std::string, int> seen;
  for (GivenRule& given : rules) {
    const int count = ++seen[given.name];
    if (count > 1) given.name += "_" + std::to_string(count);
  }
}

}  // namespace

std::vector<GivenRule> make_rules(const core::Value& settings, const std::string& key) {
  std::vector<GivenRule> rules;
  if (!settings.is_list()) {
    rules.push_back(one_rule(settings, key));
    return rules;
  }
  if (settings.items().empty()) core::fail_request("{}: {} is an empty list of rules", settings.place(), key);
  for (std::size_t i = 0; i < settings.items().size(); ++i) {
    rules.push_back(one_rule(settings.items()[i], fmt::format("{}[{}]", key, i)));
  }
  number_repeated_names(rules);
  return rules;
}

}  // namespace attune::feedback
