// What people said about two responses, as labelling tools write it.

#include "core/ascii.h"
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

/// 0 for the first response, 1 for the second, 0.5 for a tie; nothing when the word is not known.
std::optional<double> second_wins(const std::string& said) {
  const std::string word = core::lowercase(said);
  for (const char* name : {"a", "response_a", "model_a", "first", "left"})
    if (word == name) return 0;
  for (const char* name : {"b", "response_b", "model_b", "second", "right"})
    if (word == name) return 1;
  for (const char* name : {"tie", "both", "equal", "neither", "tie (bothbad)", "both_bad", "same"})
    if (word == name) return 0.5;
  return {};
}

/// The verdict: a word, or `preference` as the probability that the first response is the better one.
std::optional<double> verdict(Columns& columns) {
  const std::string name = columns.has("winner") ? "winner" : "preference";
  const core::Json& value = columns.take(name);
  if (value.is_null()) {
    columns.problem("column missing", "\"preference\" or \"winner\"");
  } else if (value.is_string()) {
    const auto found = second_wins(value.get<std::string>());
    if (!found)
      columns.problem("wrong value", "\"" + name + "\" must be a, b or tie, found " + core::to_line(value));
    return found;
  } else if (value.is_number() && name == "preference" && value >= 0 && value <= 1) {
    return 1 - value.get<double>();
  } else {
    columns.problem("wrong value",
                    "\"" + name + "\" must be a, b or tie, or a probability that a is preferred");
  }
  return {};
}

class LabelLog final : public Format {
 public:
  FormatInfo info() const override {
    return {"label_log",
            "Two responses and which one a person preferred: a, b, tie, or the probability that it is a.",
            "prompt, response_a, response_b, preference | winner", "Zheng et al. 2023, arXiv:2306.05685", 80};
  }

  bool recognises(const core::Json& row) const override {
    return has_column(row, "prompt") && has_column(row, "response_a") && has_column(row, "response_b") &&
           (has_column(row, "preference") || has_column(row, "winner"));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.prompt = columns.conversation("prompt");
    example.candidates.push_back(make_candidate(columns.conversation("response_a")));
    example.candidates.push_back(make_candidate(columns.conversation("response_b")));
    if (const auto second = verdict(columns)) {
      example.candidates[0].rank = *second > 0.5 ? 1 : 0;
      example.candidates[1].rank = *second < 0.5 ? 1 : 0;
      if (*second != 0 && *second != 1) {
        example.candidates[0].preference = 1 - *second;
        example.candidates[1].preference = *second;
      }
    }
    const std::string annotator = columns.optional_text("annotator");
    for (auto& candidate : example.candidates) candidate.annotator = annotator;
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_label_log() {
  static const LabelLog format;
  return &format;
}

}  // namespace attune::data
