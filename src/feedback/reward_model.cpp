#include "feedback/reward_model.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/interrupt.h"
#include "generation/codec.h"
#include "generation/scorer.h"
#include "net/hub.h"

namespace attune::feedback {
namespace {

void need_one_output(const at::Tensor& head, const std::string& path) {
  if (!head.defined())
    core::fail_request(
        "{}: has no reward head (score): this is no reward model; method=bradley_terry trains one", path);
  if (head.size(0) != 1)
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

RewardModel::RewardModel(const model::ModelOptions& options, const data::TextCodec& source)
    : model_(model::Model::load(with_reward_head(options))), codec_(generation::codec_of(model_)) {
  need_one_output(model_.named_head("score").weight, options.path);
  texts_ =
      RewardTexts::read(net::resolve_model_folder(options.adapter.empty() ? options.path : options.adapter));
  ids_are_foreign_ = source.tokenizer && codec_.tokenizer &&
                     source.tokenizer->fingerprint() != codec_.tokenizer->fingerprint();
}

core::Result<std::vector<RewardText>> RewardModel::read(const record::Example& example,
                                                        const data::DataOptions& options,
                                                        std::int64_t group) const {
  const auto record = ids_are_foreign_ ? without_ids(example) : core::Result<record::Example>(example);
  if (!record.ok()) return record.error();
  const auto tokens = data::tokenize_example(record.value(), codec_, options, false);
  if (!tokens.ok()) return tokens.error();
  std::vector<RewardText> texts;
  for (const auto& completion : tokens.value().completions) {
    texts.push_back({tokens.value().prompt, group});
    texts.back().ids.insert(texts.back().ids.end(), completion.ids.begin(), completion.ids.end());
  }
  return texts;
}

std::vector<double> RewardModel::score(std::span<const RewardText> texts, std::int64_t token_budget) const {
  std::vector<data::PackItem> items;
  for (const RewardText& text : texts) {
    data::PackItem item;
    item.ids = text.ids;
    item.prompt_length = static_cast<std::int32_t>(text.ids.size());  // no token is read but one
    item.scored = static_cast<std::int32_t>(model_.config().scored_token(text.ids));
    item.group = text.group;
    item.table = model_.config().table_of(static_cast<std::int64_t>(text.ids.size()));
    items.push_back(std::move(item));
  }
  const generation::Scorer scorer(
      model_, model::Weights::kPolicy,
      {.token_budget = token_budget, .before_each = [] { core::stop_if_interrupted(); }});
  const std::vector<generation::Reading> score = {{"score", record::Positions::kLast}};
  const at::Tensor rewards = scorer.read(items, score).front().contiguous();
  return {rewards.const_data_ptr<double>(), rewards.const_data_ptr<double>() + rewards.numel()};
}

}  // namespace attune::feedback
