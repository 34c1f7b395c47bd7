// Names that say whether prompts are trained on.
#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/error.h"
#include "data/rows/example_source.h"
#include "training/run/terms.h"

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

bool asks_for_prompts(const std::string& name, const Value& value) {
  return core::truth_of(value) == (name != "completion_only_loss");
}

constexpr Reading kPromptReadings[] = {{"completion_only_loss", read_completion_only}};

}  // namespace

void settle_prompts(ForeignReader& reader) {
  if (is_of_another_trainer(reader, "sft")) return;
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
