#include "feedback/reward_model.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/interrupt.h"
#include "generation/codec.h"
#include "generation/scorer.h"
#include "net/hub.h"

namespace attune::feedback {
namespace {

/// @param most outputs that can be read as one number
void need_one_output(const at::Tensor& head, std::int64_t most, const std::string& path) {
  if (!head.defined())
    core::fail_request(
        "{}: has no reward head (score): this is no reward model; method=bradley_terry trains one", path);
  if (head.size(0) > most)
    core::fail_request("{}: the reward head has {} outputs; a reward is one number", path, head.size(0));
}

model::ModelOptions with_reward_head(model::ModelOptions options) {
  options.heads = {"score"};
  return options;
}

/// The record with texts instead of the ids of another tokenizer, or why there are none.
core::Result<record::Example> without_ids(record::Example example) {
  const core::ItemError nothing{"holds only ids, of another tokenizer than the reward model's", ""};
  if (example.prompt_ids && example.prompt.is_null()) return nothing;
  example.prompt_ids.reset();
  for (record::Candidate& candidate : example.candidates) {
    if (candidate.completion_ids && candidate.completion.is_null()) return nothing;
    candidate.completion_ids.reset();
    candidate.completion_mask.clear();
  }
  return example;
}

}  // namespace

void RewardModelOptions::declare(core::Fields& fields) {
  model.declare(fields);
  steps.declare(fields);
}

RewardModel::RewardModel(const RewardModelOptions& options, const data::TextCodec& source)
    : model_(model::Model::load(with_reward_head(options.model))),
      steps_(options.steps),
      codec_(generation::codec_of(model_)) {
  const auto& [path, adapter] = std::pair(options.model.path, options.model.adapter);
  need_one_output(model_.named_head("score").weight, rates_steps() ? 2 : 1, path);
  texts_ = RewardTexts::read(net::resolve_model_folder(adapter.empty() ? path : adapter));
  ids_are_foreign_ = source.tokenizer && codec_.tokenizer &&
                     source.tokenizer->fingerprint() != codec_.tokenizer->fingerprint();
}

core::Result<std::vector<RewardText>> RewardModel::read(const record::Example& example,
                                                        const data::DataOptions& options,
                                                        std::int64_t group) const {
  const auto record = ids_are_foreign_ ? without_ids(example) : core::Result<record::Example>(example);
  if (!record.ok()) return record.error();
  const auto tokens = data::tokenize_example(rates_steps() ? in_steps(record.value()) : record.value(),
                                             codec_, options, false);
  if (!tokens.ok()) return tokens.error();
  std::vector<RewardText> texts;
  for (const auto& completion : tokens.value().completions) {
    if (rates_steps() && completion.step_ends.empty()) return core::ItemError{"no step to rate", ""};
    const auto prompt = static_cast<std::int32_t>(tokens.value().prompt.size());
    texts.push_back({tokens.value().prompt, prompt, completion.step_ends, group});
    texts.back().ids.insert(texts.back().ids.end(), completion.ids.begin(), completion.ids.end());
  }
  return texts;
}

/// The record with the steps of each answer that has none.
record::Example RewardModel::in_steps(record::Example example) const {
  for (record::Candidate& candidate : example.candidates) {
    if (!candidate.steps.empty()) continue;
    const core::Json& said = candidate.completion;
    const core::Json text =
        said.is_array() && !said.empty() ? said.back().value("content", core::Json()) : said;
    if (text.is_string()) candidate.steps = split_steps(text.get<std::string>(), steps_.separator);
  }
  return example;
}

std::vector<Judgement> RewardModel::score(std::span<const RewardText> texts,
                                          std::int64_t token_budget) const {
  const auto at = rates_steps() ? record::Positions::kStepEnds : record::Positions::kLast;
  std::vector<data::PackItem> items;
  for (const RewardText& text : texts) {
    data::PackItem item;
    item.ids = text.ids;
    item.prompt_length = text.prompt_length;
    item.mask.assign(text.ids.size() - static_cast<std::size_t>(text.prompt_length), 0);  // no token is read
    item.step_ends = text.step_ends;
    item.scored = static_cast<std::int32_t>(model_.config().scored_token(text.ids));
    item.group = text.group;
    item.table = model_.config().table_of(static_cast<std::int64_t>(text.ids.size()));
    items.push_back(std::move(item));
  }
  const generation::Scorer scorer(
      model_, model::Weights::kPolicy,
      {.token_budget = token_budget, .before_each = [] { core::stop_if_interrupted(); }});
  const std::vector<generation::Reading> reading = {{"score", at}};
  at::Tensor scores = scorer.read(items, reading).front();
  if (scores.dim() == 2) scores = scores.select(1, 1) - scores.select(1, 0);  // of "wrong" and "right"
  if (rates_steps()) scores = scores.sigmoid();
  std::vector<Judgement> out;
  for (std::vector<double>& numbers : generation::by_item(scores, items, at)) {
    if (rates_steps())
      out.push_back({reward_of_steps(numbers, steps_.aggregate), numbers});
    else
      out.push_back({numbers.front(), {}});
  }
  return out;
}

}  // namespace attune::feedback
