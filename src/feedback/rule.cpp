#include "feedback/rule.h"

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
  const std::string near = core::nearest(name, known);
  core::fail_request("{}: {} names no rule: '{}'; {}known are: {}", at.place(), key, given,
                     near.empty() ? "" : fmt::format("did you mean '{}'? ", near), fmt::join(known, ", "));
}

struct Weighted {
  std::unique_ptr<Rule> rule;
  std::string label;  ///< name, numbered when it occurs again
  double weight = 1;
};

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

Weighted one_rule(const core::Value& settings, const std::string& key) {
  if (settings.is_scalar()) {
    Weighted one{rule_named(settings.text(), settings, key), our_name(settings.text())};
    one.rule->check();
    return one;
  }
  const core::Value* name = settings.find("name");
  if (!name || !name->is_scalar()) {
    core::fail_request("{}: {} is {}; write a rule's name, or {{name: …, options…}}, see attune list rules",
                       settings.place(), key, settings.described());
  }
  Weighted one{rule_named(name->text(), *name, key + ".name"), our_name(name->text()),
               weight_of(settings, key)};
  core::Fields fields = one.rule->fields();
  fields.assign_all(settings, key, {"name", "weight"});
  one.rule->check();
  return one;
}

/// Several rules, or one with a weight: Σ weight · reward.
class WeightedSum : public Rule {
 public:
  explicit WeightedSum(std::vector<Weighted> rules) : rules_(std::move(rules)) {}
  RuleInfo info() const override { return {"sum", "Weighted sum of rules.", ""}; }
  core::Fields fields() override { return {}; }
  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override {
    std::vector<RuleScore> total(inputs.size());
    for (const Weighted& part : rules_) {
      const std::vector<RuleScore> scores = part.rule->score(inputs);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        total[i].reward += part.weight * scores[i].reward;
        total[i].metrics[part.label] = scores[i].reward;
        for (const auto& [metric, value] : scores[i].metrics)
          total[i].metrics[part.label + "/" + metric] = value;
      }
    }
    return total;
  }

 private:
  std::vector<Weighted> rules_;
};

void number_repeated_labels(std::vector<Weighted>& rules) {
  std::map<std::string, int> seen;
  for (Weighted& rule : rules) {
    const int count = ++seen[rule.label];
    if (count > 1) rule.label += "_" + std::to_string(count);
  }
}

}  // namespace

std::unique_ptr<Rule> make_rule(const core::Value& settings, const std::string& key) {
  std::vector<Weighted> rules;
  if (settings.is_list()) {
    if (settings.items().empty())
      core::fail_request("{}: {} is an empty list of rules", settings.place(), key);
    for (std::size_t i = 0; i < settings.items().size(); ++i) {
      rules.push_back(one_rule(settings.items()[i], fmt::format("{}[{}]", key, i)));
    }
  } else {
    rules.push_back(one_rule(settings, key));
    if (rules.front().weight == 1) return std::move(rules.front().rule);
  }
  number_repeated_labels(rules);
  return std::make_unique<WeightedSum>(std::move(rules));
}

}  // namespace attune::feedback
