// Reward models: a linear head on the hidden state of the last token of prompt and completion that is not
// padding, as bradley_terry trains them and transformers' AutoModelForSequenceClassification reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/tokens/tokenize.h"
#include "feedback/reward_texts.h"
#include "feedback/step_rewards.h"
#include "model/model.h"

namespace attune::feedback {

struct RewardModelOptions {
  model::ModelOptions model;
  StepRewardOptions steps;
  void declare(core::Fields& fields);
};

/// A prompt with one completion, as ids of the reward model.
struct RewardText {
  std::vector<std::int32_t> ids;
  std::int32_t prompt_length = 0;
  std::vector<std::int32_t>
      step_ends;           ///< of a process reward model: completion index of each step's last token
  std::int64_t group = 0;  ///< texts of one record stand together and share their prompt's computation
};

/// What a reward model thinks of a text.
struct Judgement {
  double reward = 0;
  std::vector<double> steps;  ///< of a process reward model: the probability that each step is right
};

class RewardModel {
 public:
  /// A folder of sequence classification, or of token classification (a process reward model, of one output or of the
  /// two "wrong" and "right"), or a PEFT adapter whose saved modules hold the head.
  /// @param source what wrote the ids in records. Where its tokenizer is another than the reward model's,
  /// texts are read instead.
  /// @throws Error{kRequest}: no reward head, or one with more outputs.
  RewardModel(const RewardModelOptions& options, const data::TextCodec& source);

  /// How its texts were made, where its folder says so.
  const std::optional<RewardTexts>& texts() const { return texts_; }

  /// Prompt + completion of every candidate, with the reward model's own tokenizer and chat template, cut to
  /// its context. An ItemError says why the record cannot be read.
  core::Result<std::vector<RewardText>> read(const record::Example& example, const data::DataOptions& options,
                                             std::int64_t group) const;
  /// The head's output at ModelConfig::scored_token of each text; of a process reward model the steps' probabilities
  /// become one number.
  /// @param token_budget tokens that are computed at once
  std::vector<Judgement> score(std::span<const RewardText> texts, std::int64_t token_budget) const;
  bool rates_steps() const { return model_.scores_tokens(); }

 private:
  record::Example in_steps(record::Example example) const;

  model::Model model_;
  StepRewardOptions steps_;
  data::TextCodec codec_;
  bool ids_are_foreign_ = false;
  std::optional<RewardTexts> texts_;
};

}  // namespace attune::feedback
