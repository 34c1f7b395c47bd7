// The setting `reward_model=`: one reward model, or several whose rewards are combined.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/options.h"
#include "feedback/combine.h"
#include "feedback/rater.h"
#include "feedback/reward_model.h"

namespace attune::feedback {

struct RewardSourceOptions {
  std::vector<std::string> paths;
  RewardModelOptions model;  ///< of each; its path is not read
  Combination combination;
  void declare(core::Fields& fields);
};

struct RewardSource {
  std::unique_ptr<Rater> rater;
  /// How its models read texts, where their folders say so: a sentence each.
  std::vector<std::string> notes;
  bool rates_steps = false;
};

/// @param codec what wrote the ids in records
/// @param data how records become ids; each model's folder wins over what is not in `given` (names of settings)
/// @throws Error{kRequest}: a folder that is no reward model; one adapter for several models
RewardSource reward_source(const RewardSourceOptions& options, const data::TextCodec& codec,
                           const data::DataOptions& data, const std::vector<std::string>& given,
                           std::int64_t token_budget);

}  // namespace attune::feedback
