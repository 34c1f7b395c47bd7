// A prompt and what should follow it; trained on the completion.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class PromptCompletion final : public Format {
 public:
  FormatInfo info() const override {
    return {"prompt_completion", "A prompt and the completion to be learnt (TRL).",
            "prompt | prompt_ids, completion | completion_ids", "", 45};
  }

  bool recognises(const core::Json& row) const override {
    return (has_column(row, "prompt") || has_column(row, "prompt_ids")) &&
           (has_column(row, "completion") || has_column(row, "completion_ids"));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.prompt_ids = columns.ids("prompt_ids");
    if (!example.prompt_ids || columns.has("prompt")) example.prompt = columns.conversation("prompt");
    record::Candidate candidate;
    candidate.completion_ids = columns.ids("completion_ids");
    if (!candidate.completion_ids || columns.has("completion"))
      candidate.completion = columns.conversation("completion");
    candidate.completion_mask = columns.mask("completion_mask");
    if (!candidate.completion_mask.empty() &&
        candidate.completion_mask.size() !=
            candidate.completion_ids.value_or(std::vector<std::int32_t>()).size())
      columns.problem("wrong length", "\"completion_mask\" and \"completion_ids\" differ in length");
    example.candidates.push_back(std::move(candidate));
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_prompt_completion() {
  static const PromptCompletion format;
  return &format;
}

}  // namespace attune::data
