// Names that say whether prompts are trained on.
#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/error.h"
#include "data/rows/example_source.h"
#include "training/run/recipe/terms.h"

namespace attune::cli {
namespace {

using core::Value;

/// TRL's: what is left where rows have no prompt is not said by it.
void read_completion_only(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_true(value))
    reader.note(name, "prompts are not trained on; what has none is, whole");
  else if (!value.is_null() && is_of_another_trainer(reader, "sft"))
    reader.note(name, "of sft");
}

/// A prompt and its answer.
bool is_demonstration(const record::Example& row) {
  const bool has_prompt = row.prompt_ids || !(row.prompt.is_null() || row.prompt.empty() || row.prompt == "");
  return !row.language_modelling && has_prompt && row.candidates.size() == 1;
}

bool is_conversation(const record::Example& row) {
  const bool prompt = row.prompt.is_array() && !row.prompt.empty();
  return prompt || std::ranges::any_of(row.candidates, [](const auto& candidate) {
           return candidate.completion.is_array() && !candidate.completion.empty();
         });
}

/// TRL refuses that, too.
void settle_assistant_only(ForeignReader& reader) {
  const Value* asked = reader.given("assistant_only_loss");
  if (asked == nullptr || !is_true(*asked)) return;
  const auto rows = first_rows(reader).rows;
  if (rows.empty() || std::ranges::any_of(rows, is_conversation)) return;
  reader.refuse(
      "assistant_only_loss", *asked,
      "the rows are no conversations, and nobody speaks in them (TRL stops here, too): leave it out. Prompts are "
      "not trained on, and a text is trained on whole");
}

void settle_completion_only(ForeignReader& reader) {
  const Value* asked = reader.given("completion_only_loss");
  if (asked == nullptr || !is_true(*asked)) return;
  const auto rows = first_rows(reader).rows;
  if (!rows.empty() && std::ranges::none_of(rows, is_demonstration))
    reader.remark_on("completion_only_loss=true: the rows have no prompt, and are trained on whole");
}

/// What LLaMA-Factory and Axolotl do by themselves.
void settle_replies(ForeignReader& reader) {
  if (reader.replies_from().is_null()) return;
  const Value* data = reader.settings().find("data");
  if (data != nullptr && data->find("assistant_only") != nullptr) return;
  const auto rows = first_rows(reader).rows;
  if (rows.empty() || std::ranges::any_of(rows, is_conversation))
    reader.set_default("data.assistant_only", "true", reader.replies_from(),
                       {"train_on_prompt", "train_on_inputs"});
}

bool asks_for_prompts(const std::string& name, const Value& value) {
  return core::truth_of(value) == (name != "completion_only_loss");
}

constexpr Reading kPromptReadings[] = {{"completion_only_loss", read_completion_only}};

}  // namespace

void settle_prompts(ForeignReader& reader) {
  settle_replies(reader);
  if (is_of_another_trainer(reader, "sft")) return;
  settle_assistant_only(reader);
  settle_completion_only(reader);
  for (const char* name : {"completion_only_loss", "train_on_inputs", "train_on_prompt"}) {
    const Value* value = reader.given(name);
    if (value == nullptr || !asks_for_prompts(name, *value)) continue;
    if (std::ranges::any_of(first_rows(reader).rows, is_demonstration))
      reader.refuse(
          name, *value,
          "a prompt is never trained on, and the rows have prompts: leave it out, or write prompt and answer as "
          "one text under text, which is trained on whole, as one conversation under messages is");
  }
}

FirstRows first_rows(const ForeignReader& reader) {
  constexpr int kLookedAt = 1000;
  FirstRows firsts;
  const Value* setting = reader.settings().find("data");
  if (setting == nullptr) return firsts;
  try {
    data::DataOptions options = training::data_options(*setting, "data");
    const core::Json sets = options.path.is_array() ? options.path : core::Json::array({options.path});
    for (const core::Json& set : sets) {
      options.path = core::Json::array({set});
      data::SourceRow row;
      data::ExampleSource rows(options);
      for (int i = 0; rows.next(row); ++i) {
        if (i == kLookedAt) {
          firsts.all = false;
          break;
        }
        if (row.example.ok()) firsts.rows.push_back(std::move(row.example.value()));
      }
    }
  } catch (const core::Error&) {
    return firsts;  // said where the data is read
  }
  return firsts;
}

std::span<const Reading> prompt_readings() { return kPromptReadings; }

}  // namespace attune::cli
