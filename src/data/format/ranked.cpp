// Several responses to one prompt, rated or ranked.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class Ranked final : public Format {
 public:
  FormatInfo info() const override {
    return {"ranked",
            "Several responses to one prompt with a score or a rank for each (rank 0 is best, ties allowed).",
            "prompt, responses: […], scores | ranks: [number]", "Yuan et al. 2023 (RRHF), arXiv:2304.05302",
            85};
  }

  bool recognises(const core::Json& row) const override {
    return has_column(row, "prompt") && has_column(row, "responses") && row.at("responses").is_array() &&
           (has_column(row, "scores") || has_column(row, "ranks"));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.prompt = columns.conversation("prompt");
    const std::vector<double> scores = columns.numbers("scores"), ranks = columns.numbers("ranks");
    const core::Json& responses = columns.list("responses");
    for (std::size_t i = 0; i < responses.size(); ++i) {
      const core::Json entry = {{"response", responses[i]}};
      Columns inner(entry, fmt::format("responses[{}] ", i));
      record::Candidate candidate = make_candidate(inner.conversation("response"));
      if (inner.error()) columns.problem(inner.error()->reason, inner.error()->detail);
      if (i < ranks.size()) candidate.rank = ranks[i];
      if (i < scores.size()) candidate.reward = scores[i];
      example.candidates.push_back(std::move(candidate));
    }
    for (const std::size_t size : {scores.size(), ranks.size()})
      if (size != 0 && size != responses.size())
        columns.problem("wrong length",
                        fmt::format("{} scores or ranks for {} responses", size, responses.size()));
    if (scores.empty() && ranks.empty() && columns.ok())
      columns.problem("column missing", "\"scores\" or \"ranks\"");
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_ranked() {
  static const Ranked format;
  return &format;
}

}  // namespace attune::data
