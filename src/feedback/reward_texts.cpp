#include "feedback/reward_texts.h"

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::feedback {

RewardTexts RewardTexts::of(const data::DataOptions& options) {
  return {options.append_eos, options.max_length, options.max_prompt_length, options.truncation};
}

std::optional<RewardTexts> RewardTexts::read(const std::string& folder) {
  const std::string path = core::join_path(folder, kRewardTextsFile);
  if (!core::fs::exists(path)) return std::nullopt;
  const core::Json json = core::read_json_file(path);
  RewardTexts texts;
  try {
    json.at("append_eos").get_to(texts.append_eos);
    json.at("max_length").get_to(texts.max_length);
    json.at("max_prompt_length").get_to(texts.max_prompt_length);
    json.at("truncation").get_to(texts.truncation);
  } catch (const core::Json::exception& error) {
    core::fail_request("{}: does not say how the reward model's texts were made ({})", path, error.what());
  }
  return texts;
}

std::string RewardTexts::file_text() const {
  return core::Json{{"append_eos", append_eos},
                    {"max_length", max_length},
                    {"max_prompt_length", max_prompt_length},
                    {"truncation", truncation}}
             .dump(2) +
         "\n";
}

std::string RewardTexts::described() const {
  std::string text = append_eos ? "plain texts end in the end-of-sequence token" : "texts as they stand";
  if (max_length > 0) text += fmt::format(", at most {} tokens ({})", max_length, truncation);
  if (max_prompt_length > 0) text += fmt::format(", prompts at most {}", max_prompt_length);
  return text;
}

void RewardTexts::apply(data::DataOptions& options, const std::vector<std::string>& given) const {
  const auto is_free = [&](const char* name) { return std::ranges::find(given, name) == given.end(); };
  if (is_free("append_eos")) options.append_eos = append_eos;
  if (is_free("max_length")) options.max_length = max_length;
  if (is_free("max_prompt_length")) options.max_prompt_length = max_prompt_length;
  if (is_free("truncation")) options.truncation = truncation;
}

}  // namespace attune::feedback
