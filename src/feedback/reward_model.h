// Reward models: a linear head on the hidden state of the last token of prompt and completion that is not
// padding, as bradley_terry trains them and transformers' AutoModelForSequenceClassification reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/tokens/tokenize.h"
#include "feedback/reward_texts.h"
#include "model/model.h"

namespace attune::feedback {

/// A prompt with one completion, as ids of the reward model.
struct RewardText {
  std::vector<std::int32_t> ids;
  std::int64_t group = 0;  ///< texts of one record stand together and share their prompt's computation
};

class RewardModel {
 public:
  /// A folder of sequence classification, or a PEFT adapter whose saved modules hold the head.
  /// @param source what wrote the ids in records. Where its tokenizer is another than the reward model's,
  /// texts are read instead.
  /// @throws Error{kRequest}: no reward head, or one with several outputs.
  RewardModel(const model::ModelOptions& options, const data::TextCodec& source);

  /// How its texts were made, where its folder says so.
  const std::optional<RewardTexts>& texts() const { return texts_; }

  /// Prompt + completion of every candidate, with the reward model's own tokenizer and chat template, cut to
  /// its context. An ItemError says why the record cannot be read.
  core::Result<std::vector<RewardText>> read(const record::Example& example, const data::DataOptions& options,
                                             std::int64_t group) const;
  /// The head's output at ModelConfig::scored_token of each text.
  /// @param token_budget tokens that are computed at once
  std::vector<double> score(std::span<const RewardText> texts, std::int64_t token_budget) const;

 private:
  model::Model model_;
  data::TextCodec codec_;
  bool ids_are_foreign_ = false;
  std::optional<RewardTexts> texts_;
};

}  // namespace attune::feedback
