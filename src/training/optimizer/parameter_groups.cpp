#include "training/optimizer/parameter_groups.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/pattern.h"

namespace attune::training {
namespace {

constexpr const char* kKey = "training.parameter_groups";

std::string place_of(std::size_t index) { return fmt::format("{}[{}]", kKey, index); }

/// A rule with its expressions compiled.
class Matcher {
 public:
  Matcher(const ParameterRule& rule, std::size_t index) : rule(rule), place(place_of(index)) {
    for (const auto& pattern : rule.match) patterns_.emplace_back(pattern, place + ".match");
  }
  bool matches(const std::string& name) const {
    return std::ranges::any_of(patterns_, [&](const core::Pattern& pattern) {
      return pattern.matches(name, core::Pattern::Part::kSomewhere);
    });
  }

  const ParameterRule& rule;
  std::string place;

 private:
  std::vector<core::Pattern> patterns_;
};

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  const std::vector<std::string> shown(names.begin(), names.begin() + std::min(kShown, names.size()));
  return fmt::format("{}{}", fmt::join(shown, ", "), names.size() > kShown ? ", …" : "");
}

}  // namespace

void ParameterRule::declare(core::Fields& fields) {
  fields.add("match", match, "Regular expressions; a weight belongs here when one is found in its name.");
  fields.add("learning_rate", learning_rate, "Peak learning rate of these weights; 0 freezes them.")
      .non_negative()
      .alias("lr")
      .default_from("training.learning_rate");
  fields.add("weight_decay", weight_decay, "Decay of these weights, norms and biases among them included.")
      .non_negative()
      .default_from("training.weight_decay");
}

std::vector<ParameterRule> parameter_rules(const core::Value& setting) {
  if (setting.is_null()) return {};
  const std::vector<core::Value> entries =
      setting.is_list() ? setting.items() : std::vector<core::Value>{setting};
  std::vector<ParameterRule> rules;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ParameterRule rule;
    const std::string place = place_of(i);
    if (!entries[i].is_map())
      core::fail_request("{}: {} is {}; write for example {{match: lora_B, learning_rate: 1e-3}}",
                         entries[i].place(), place, entries[i].described());
    core::fields_of(rule).assign_all(entries[i], place);
    if (rule.match.empty())
      core::fail_request("{}: {}.match is missing: which weights does it speak of?", entries[i].place(),
                         place);
    if (rule.learning_rate < 0 && rule.weight_decay < 0)
      core::fail_request("{}: {} has no effect; give learning_rate or weight_decay", entries[i].place(),
                         place);
    rules.push_back(std::move(rule));
    Matcher compiles(rules.back(), i);
  }
  return rules;
}

void require_matches(const std::vector<ParameterRule>& rules, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Matcher matcher(rules[i], i);
    if (std::ranges::any_of(names, [&](const std::string& name) { return matcher.matches(name); })) continue;
    core::fail_request(
        "{}.match: {} is found in no trained weight (a tied head is its embedding); there are: {}",
        matcher.place, fmt::join(rules[i].match, ", "), some_of(names));
  }
  const auto frozen = [&](const std::string& name) {
    for (std::size_t i = 0; i < rules.size(); ++i)
      if (Matcher(rules[i], i).matches(name)) return rules[i].learning_rate == 0;
    return false;
  };
  if (std::ranges::all_of(names, frozen))
    core::fail_request("{}: every weight is frozen, nothing is left to train", kKey);
}

std::vector<OptimizedParameter> optimized_parameters(std::vector<model::Parameter> parameters,
                                                     const std::vector<ParameterRule>& rules,
                                                     double weight_decay, double peak) {
  std::vector<Matcher> matchers;
  for (std::size_t i = 0; i < rules.size(); ++i) matchers.emplace_back(rules[i], i);
  std::vector<OptimizedParameter> result;
  for (auto& parameter : parameters) {
    OptimizedParameter optimized{parameter, 1, parameter.decay ? weight_decay : 0};
    const auto first = std::ranges::find_if(
        matchers, [&](const Matcher& matcher) { return matcher.matches(parameter.name); });
    const ParameterRule rule = first == matchers.end() ? ParameterRule() : first->rule;
    if (rule.learning_rate >= 0) optimized.rate_scale = rule.learning_rate / peak;
    if (rule.weight_decay >= 0) optimized.weight_decay = rule.weight_decay;
    if (optimized.rate_scale == 0)
      parameter.tensor.set_requires_grad(false);
    else
      result.push_back(std::move(optimized));
  }
  return result;
}

}  // namespace attune::training
