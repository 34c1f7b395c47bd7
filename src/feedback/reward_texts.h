// How the texts of a reward model were made: written beside its weights when it is trained, and followed
// wherever it rates, so that it reads texts as it learnt them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/options.h"

namespace attune::feedback {

inline constexpr const char* kRewardTextsFile = "reward_texts.json";

struct RewardTexts {
  bool append_eos = true;  ///< plain texts end in the end-of-sequence token
  std::int64_t max_length = 0, max_prompt_length = 0;
  std::string truncation = "keep_start";

  static RewardTexts of(const data::DataOptions& options);
  /// What the folder of a reward model says, none where it says nothing. @throws Error{kRequest}: a damaged
  /// file
  static std::optional<RewardTexts> read(const std::string& folder);
  std::string file_text() const;
  /// "plain texts end in the end-of-sequence token, at most 1024 tokens (keep_start)"
  std::string described() const;
  /// Sets what nobody asked for. @param given the names of settings that were asked for: "max_length"
  void apply(data::DataOptions& options, const std::vector<std::string>& given) const;
};

}  // namespace attune::feedback
