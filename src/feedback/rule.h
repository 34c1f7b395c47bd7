// Rules: verifiable scores of a completion, (prompt, completion) → number. One file each in feedback/rule/.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/error.h"
#include "core/json.h"

namespace attune::feedback {

/// What a rule judges.
struct RuleInput {
  std::string id;
  core::Json prompt;      ///< text or messages
  core::Json completion;  ///< text or messages
  std::string reference_answer;
  core::Json meta;
  std::string finish_reason;  ///< "length" where it was cut, else as it is given; "" when it is not known
};

struct RuleScore {
  double reward = 0;                      ///< never NaN
  std::map<std::string, double> metrics;  ///< extra numbers, logged as rewards/<rule>/<metric>
};

struct RuleInfo {
  std::string name, summary, paper;  ///< paper: "" when there is none
};

class Rule {
 public:
  virtual ~Rule() = default;
  virtual RuleInfo info() const = 0;
  virtual core::Fields fields() = 0;
  virtual void check() const {}
  /// One score per input, in order. @throws Error when the rule itself cannot go on (a crashed program).
  virtual std::vector<RuleScore> score(std::span<const RuleInput> inputs) = 0;
};

/// Generated list: file name → factory.
const std::vector<std::pair<std::string_view, std::unique_ptr<Rule> (*)()>>& rule_entries();

/// A rule as a setting gives it.
struct GivenRule {
  std::string name;  ///< numbered where it occurs again: contains, contains_2
  std::unique_ptr<Rule> rule;
  double weight = 1;  ///< factor of its reward where several are added
};

/// The rules of a setting: a name, a map {name, options…, weight}, or a list of those. At least one.
/// @throws Error{kRequest}
std::vector<GivenRule> make_rules(const core::Value& settings, const std::string& key = "rule");

}  // namespace attune::feedback
