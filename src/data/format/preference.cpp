// A prompt with a chosen and a rejected completion.
#include "data/format.h"
#include "data/rows/column/pairs.h"

namespace attune::data {
namespace {

/// UltraFeedback's shape: a plain prompt beside whole conversations that begin with it.
bool is_whole_conversation(const core::Json& completion, const core::Json& prompt) {
  return prompt.is_string() && is_messages(completion) && completion.size() > 1 &&
         completion.front().value("role", "") != "assistant";
}

class Preference final : public Format {
 public:
  FormatInfo info() const override {
    return {"preference", "A prompt with a chosen and a rejected completion (TRL, UltraFeedback).",
            "prompt, chosen, rejected [, score_chosen, score_rejected, margin]",
            "Ouyang et al. 2022, arXiv:2203.02155", 60};
  }

  bool recognises(const core::Json& row) const override {
    return (has_column(row, "prompt") && has_column(row, "chosen") && has_column(row, "rejected")) ||
           (has_column(row, "prompt_ids") && has_column(row, "chosen_ids") &&
            has_column(row, "rejected_ids"));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    if (columns.has("chosen_ids")) {
      example.prompt_ids = columns.ids("prompt_ids");
      if (!example.prompt_ids) columns.problem("column missing", "\"prompt_ids\"");
      add_pair(columns, example, {}, {});
      example.candidates[0].completion_ids = columns.ids("chosen_ids");
      example.candidates[1].completion_ids = columns.ids("rejected_ids");
      if (!example.candidates[1].completion_ids) columns.problem("column missing", "\"rejected_ids\"");
      return columns.finish(std::move(example));
    }
    example.prompt = columns.conversation("prompt");
    core::Json chosen = columns.conversation("chosen"), rejected = columns.conversation("rejected");
    const bool whole =
        is_whole_conversation(chosen, example.prompt) && is_whole_conversation(rejected, example.prompt);
    const std::size_t shared = whole ? shared_messages(chosen, rejected) : 0;
    if (shared > 0) {
      example.prompt = messages_from(chosen, 0);
      example.prompt.erase(example.prompt.begin() + static_cast<std::ptrdiff_t>(shared),
                           example.prompt.end());
      chosen = messages_from(chosen, shared);
      rejected = messages_from(rejected, shared);
    } else if (example.prompt.is_string() && is_messages(chosen) && is_messages(rejected)) {
      example.prompt = core::Json::array({message("user", example.prompt.get<std::string>())});
    }
    add_pair(columns, example, std::move(chosen), std::move(rejected));
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_preference() {
  static const Preference format;
  return &format;
}

}  // namespace attune::data
