#include "data/tokens/conversation/turns.h"

#include <fmt/format.h>

#include "data/rows/column/columns.h"

namespace attune::data {

bool is_conversation(const record::Example& example) {
  if (example.candidates.size() != 1 || example.prompt_ids) return false;
  const core::Json& completion = example.candidates.front().completion;
  return completion.is_array() && (example.language_modelling || completion.size() > 1);
}

std::vector<record::Example> one_for_each_turn(const record::Example& example) {
  const core::Json& messages = example.candidates.front().completion;
  std::vector<record::Example> out;
  core::Json before = core::Json::array();
  if (!example.language_modelling && example.prompt.is_array()) before = example.prompt;
  if (!example.language_modelling && example.prompt.is_string())
    before.push_back(message("user", example.prompt.get<std::string>()));
  for (const auto& said : messages) {
    if (said.value("role", "") == "assistant") {
      record::Example& turn = out.emplace_back(example);
      turn.id = fmt::format("{}/turn-{}", example.id, out.size());
      turn.language_modelling = false;
      turn.prompt = before;
      turn.candidates.front().completion = core::Json::array({said});
    }
    before.push_back(said);
  }
  return out;
}

std::string split_text(const DataOptions& options, const std::string& reason) {
  return options.turns == "split" ? "a row for each assistant turn"
                                  : fmt::format("a row for each assistant turn, as {}", reason);
}

bool asks_for_split(const core::ItemError& error) {
  return error.reason == text::kRewritesHistory || error.reason == text::kRefusesPart;
}

}  // namespace attune::data
