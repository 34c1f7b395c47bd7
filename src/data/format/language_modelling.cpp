// Whole texts or conversations, trained on from end to end.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class LanguageModelling final : public Format {
 public:
  FormatInfo info() const override {
    return {"language_modelling", "Whole texts, or conversations without a marked prompt (TRL).",
            "text | messages | input_ids", "", 30};
  }

  bool recognises(const core::Json& row) const override {
    return (has_column(row, "text") && row.at("text").is_string()) ||
           (has_column(row, "messages") && row.at("messages").is_array()) || has_column(row, "input_ids");
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.language_modelling = true;
    record::Candidate candidate;
    if (columns.has("input_ids")) {
      candidate.completion_ids = columns.ids("input_ids");
      candidate.completion_mask = columns.mask("completion_mask");
      if (!candidate.completion_mask.empty() &&
          candidate.completion_mask.size() !=
              candidate.completion_ids.value_or(std::vector<std::int32_t>()).size())
        columns.problem("wrong length", "\"completion_mask\" and \"input_ids\" differ in length");
    } else if (columns.has("messages")) {
      candidate.completion = columns.messages("messages");
    } else {
      candidate.completion = columns.text("text");
    }
    example.candidates.push_back(std::move(candidate));
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_language_modelling() {
  static const LanguageModelling format;
  return &format;
}

}  // namespace attune::data
