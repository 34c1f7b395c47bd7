// A double that uses all of the formats' seam: recognised by what a column holds, before others that know the
// same columns; several answers with feedback on them; and rows that are malformed.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class ZzFormat final : public Format {
 public:
  FormatInfo info() const override {
    return {"zz_format", "A prompt with answers as a map from answer to votes.",
            "prompt, completion: {answer: votes}", "nobody", 1000};
  }
  bool recognises(const core::Json& row) const override {
    return has_column(row, "prompt") && has_column(row, "completion") && row["completion"].is_object() &&
           has_column(row, "zz");
  }
  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.prompt = columns.conversation("prompt");
    const double scale = columns.number("zz").value_or(1);
    const core::Json& answers = columns.take("completion");
    if (!answers.is_object()) {
      columns.problem("wrong type", "\"completion\" is no map of answers");
      return columns.finish(std::move(example));
    }
    for (const auto& [answer, votes] : answers.items()) {
      if (!votes.is_number()) columns.problem("wrong type", "the votes for \"" + answer + "\" are no number");
      record::Candidate candidate = make_candidate(answer);
      candidate.reward = votes.is_number() ? scale * votes.get<double>() : 0;
      candidate.annotator = "voters";
      example.candidates.push_back(std::move(candidate));
    }
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_zz_format() {
  static const ZzFormat format;
  return &format;
}

}  // namespace attune::data
