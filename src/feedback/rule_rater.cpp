#include "feedback/rule_rater.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "feedback/rater_list.h"

namespace attune::feedback {
namespace {

using Ids = std::optional<std::vector<std::int32_t>>;

/// Sets `text` to what is given, else to the text of the ids; no prompt at all is an empty one. False where
/// ids are all there is and nothing reads them.
bool read_text(const core::Json& given, const Ids& ids, const text::Tokenizer* tokenizer, core::Json& text) {
  if (given.is_null() && ids && tokenizer == nullptr) return false;
  if (!given.is_null())
    text = given;
  else
    text = ids ? tokenizer->decode(*ids, true) : std::string();
  return true;
}

core::Result<RuleInput> rule_input(const record::Example& example, const record::Candidate& candidate,
                                   const text::Tokenizer* tokenizer) {
  RuleInput input;
  if (!read_text(example.prompt, example.prompt_ids, tokenizer, input.prompt) ||
      !read_text(candidate.completion, candidate.completion_ids, tokenizer, input.completion))
    return core::ItemError{"holds only ids, and there is no tokenizer to read them", ""};
  input.id = example.id;
  input.reference_answer = example.reference_answer;
  input.meta = example.meta;
  input.finish_reason = record::was_cut(candidate) ? "length" : candidate.finish_reason;
  return input;
}

}  // namespace

RuleRater::RuleRater(std::string name, std::unique_ptr<Rule> rule, const text::Tokenizer* tokenizer)
    : Rater(std::move(name)), rule_(std::move(rule)), tokenizer_(tokenizer) {}

std::vector<Remark> RuleRater::fill(std::span<record::Example> examples) {
  std::vector<Remark> remarks;
  std::vector<RuleInput> inputs;
  std::vector<std::size_t> places;  // of each input among all candidates
  for (const record::Example& example : examples) {
    for (const record::Candidate& candidate : example.candidates) {
      auto input = rule_input(example, candidate, tokenizer_);
      remarks.emplace_back();
      if (!input.ok()) {
        remarks.back().unusable = input.error().reason;
        continue;
      }
      inputs.push_back(std::move(input.value()));
      places.push_back(remarks.size() - 1);
    }
  }
  if (inputs.empty()) return remarks;  // no program is started for nothing
  const std::vector<record::Candidate*> candidates = candidates_of(examples);
  std::vector<RuleScore> scores = rule_->score(inputs);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    give(*candidates[places[i]], scores[i].reward);
    remarks[places[i]].metrics = std::move(scores[i].metrics);
  }
  return remarks;
}

std::unique_ptr<Rater> rule_rater(std::vector<GivenRule> rules, const text::Tokenizer* tokenizer) {
  std::vector<WeightedRater> sources;
  for (GivenRule& given : rules) {
    sources.push_back(
        {std::make_unique<RuleRater>(std::move(given.name), std::move(given.rule), tokenizer), given.weight});
  }
  return rater_of(std::move(sources));
}

}  // namespace attune::feedback
