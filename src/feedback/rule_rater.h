// Rules as raters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feedback/rater.h"
#include "feedback/rule.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::feedback {

/// Rules read texts: where a prompt or a completion stands as ids alone, those are decoded without special
/// tokens.
class RuleRater : public Rater {
 public:
  /// @param tokenizer what wrote the ids; must outlive this object. Null when there is none: candidates that
  /// are ids alone are unusable then
  RuleRater(std::string name, std::unique_ptr<Rule> rule, const text::Tokenizer* tokenizer);

 protected:
  std::vector<Remark> fill(std::span<record::Example> examples) override;

 private:
  std::unique_ptr<Rule> rule_;
  const text::Tokenizer* tokenizer_;
};

/// One rater for given rules, each under its name. @param rules at least one. @param tokenizer as above
std::unique_ptr<Rater> rule_rater(std::vector<GivenRule> rules, const text::Tokenizer* tokenizer);

}  // namespace attune::feedback
