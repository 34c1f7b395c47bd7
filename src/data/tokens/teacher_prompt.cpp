// The prompt as a teacher sees it: a system text before it.
#include <algorithm>

#include "data/rows/column/columns.h"
#include "data/tokens/tokenize_text.h"

namespace attune::data {
namespace {

core::Json with_system(const core::Json& prompt, const std::string& system) {
  if (prompt.is_string()) return system + "\n\n" + prompt.get<std::string>();
  core::Json messages = core::Json::array({message("system", system)});
  for (const auto& turn : prompt) {
    const bool joins = messages.size() == 1 && turn.value("role", "") == "system" &&
                       turn.value("content", core::Json()).is_string();
    if (joins)  // templates take one system message
      messages[0]["content"] = system + "\n\n" + turn["content"].get<std::string>();
    else
      messages.push_back(turn);
  }
  return messages;
}

}  // namespace

core::Result<std::vector<std::int32_t>> tokenize_teacher_prompt(record::Example example,
                                                                const TextCodec& codec,
                                                                const std::string& system,
                                                                std::span<const std::int32_t> shared) {
  if (example.prompt_ids)
    return core::ItemError{"teacher_system cannot stand before prompt_ids",
                           "give the prompt as text or messages"};
  if (is_blank(example.prompt)) return std::vector<std::int32_t>();
  const bool answers_are_messages = std::ranges::any_of(
      example.candidates, [](const record::Candidate& candidate) { return candidate.completion.is_array(); });
  if (example.prompt.is_string() && answers_are_messages)
    example.prompt = core::Json::array({message("user", example.prompt.get<std::string>())});
  const auto ours = tokenize_prompt(example, codec);
  if (!ours.ok()) return ours;
  example.prompt = with_system(example.prompt, system);
  auto theirs = tokenize_prompt(example, codec);
  if (!theirs.ok()) return theirs;
  // A prompt that is written in another way once its answer follows is not begun by the completions.
  const bool goes_on = common_prefix(ours.value(), shared) == shared.size();
  const std::size_t begun = goes_on ? ours.value().size() - shared.size() : 0;
  auto& ids = theirs.value();
  ids.resize(ids.size() - std::min(begun, ids.size()));
  return theirs;
}

}  // namespace attune::data
