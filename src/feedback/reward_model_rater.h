// A reward model as a rater.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/options.h"
#include "feedback/rater.h"
#include "feedback/reward_model.h"

namespace attune::feedback {

/// Reads prompt and completion as tokenize_example does. Ids are read as they are where its tokenizer is the
/// one that wrote them, else the text beside them is read; ids alone, of another tokenizer, are unusable.
class RewardModelRater : public Rater {
 public:
  /// @param options how records become ids (length limits, end of sequence)
  /// @param token_budget tokens that are computed at once
  RewardModelRater(std::string name, RewardModel model, data::DataOptions options, std::int64_t token_budget);

 protected:
  std::vector<Remark> fill(std::span<record::Example> examples) override;

 private:
  RewardModel model_;
  data::DataOptions options_;
  std::int64_t token_budget_;
};

}  // namespace attune::feedback
