// One completion and whether it is good: thumbs up or down.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class UnpairedPreference final : public Format {
 public:
  FormatInfo info() const override {
    return {"unpaired_preference", "One completion and whether it is good (TRL; LLaMA-Factory's KTO files).",
            "prompt, completion, label | messages, label", "Ethayarajh et al. 2024, arXiv:2402.01306", 50};
  }

  bool recognises(const core::Json& row) const override {
    if (!has_column(row, "label")) return false;
    const core::Json& label = row.at("label");
    if (!label.is_boolean() && label != 0 && label != 1) return false;
    return (has_column(row, "prompt") && has_column(row, "completion")) ||
           (has_column(row, "messages") && is_messages(row.at("messages")));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    record::Candidate candidate;
    if (columns.has("messages") && !columns.has("prompt")) {
      // The last message is the one that was judged.
      example.prompt = columns.messages("messages");
      if (example.prompt.size() < 2)
        columns.problem("wrong length", "\"messages\" must hold a prompt and the message that was judged");
      else {
        candidate.completion = core::Json::array({example.prompt.back()});
        example.prompt.erase(example.prompt.size() - 1);
      }
    } else {
      example.prompt = columns.conversation("prompt");
      candidate.completion = columns.conversation("completion");
    }
    if (!columns.has("label")) columns.problem("column missing", "\"label\"");
    candidate.label = columns.boolean("label");
    example.candidates.push_back(std::move(candidate));
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_unpaired_preference() {
  static const UnpairedPreference format;
  return &format;
}

}  // namespace attune::data
