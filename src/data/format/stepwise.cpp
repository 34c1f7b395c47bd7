// A completion in steps, each with its own label: process supervision.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class Stepwise final : public Format {
 public:
  FormatInfo info() const override {
    return {"stepwise",
            "A completion in steps with a label for each; every step is followed by a newline, as in TRL.",
            "prompt, completions: [text], labels: [true | false | number]",
            "Uesato et al. 2022, arXiv:2211.14275; Lightman et al. 2023, arXiv:2305.20050", 90};
  }

  bool recognises(const core::Json& row) const override {
    return has_column(row, "prompt") && has_column(row, "completions") && has_column(row, "labels");
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.prompt = columns.text("prompt");
    record::Candidate candidate;
    for (const char* name : {"completions", "labels"})
      if (!columns.has(name)) columns.problem("column missing", fmt::format("\"{}\"", name));
    std::string joined;
    for (std::string& step : columns.texts("completions")) {
      candidate.steps.push_back(std::move(step) + "\n");  // TRL's step_separator; the label sits on it
      joined += candidate.steps.back();
    }
    candidate.step_scores = columns.numbers("labels");
    if (candidate.steps.size() != candidate.step_scores.size())
      columns.problem("wrong length", fmt::format("{} \"labels\" for {} \"completions\"",
                                                  candidate.step_scores.size(), candidate.steps.size()));
    candidate.completion = joined;
    example.candidates.push_back(std::move(candidate));
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_stepwise() {
  static const Stepwise format;
  return &format;
}

}  // namespace attune::data
