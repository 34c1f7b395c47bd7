// Attune's own record, which every command that writes data writes.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

// One overload for each type of ATTUNE_CANDIDATE_FIELDS; what the row does not say keeps its default.
void read_field(Columns& columns, const char* name, std::optional<double>& value) {
  value = columns.number(name);
}
void read_field(Columns& columns, const char* name, std::optional<bool>& value) {
  value = columns.boolean(name);
}
void read_field(Columns& columns, const char* name, double& value) {
  value = columns.number(name).value_or(value);
}
void read_field(Columns& columns, const char* name, std::string& value) {
  value = columns.optional_text(name);
}
void read_field(Columns& columns, const char* name, std::vector<double>& value) {
  value = columns.numbers(name);
}
void read_field(Columns& columns, const char* name, record::Scores& value) {
  const core::Json& scores = columns.take(name);
  if (scores.is_null()) return;
  if (!scores.is_object())
    return columns.problem("wrong type", fmt::format("\"{}\" of a candidate must be an object", name));
  for (const auto& [key, score] : scores.items()) {
    if (!score.is_number())
      return columns.problem("wrong type",
                             fmt::format("\"{}.{}\" of a candidate must be a number", name, key));
    value[key] = score.get<double>();
  }
}

void read_steps(Columns& columns, record::Candidate& candidate) {
  candidate.steps = columns.texts("steps");
  if (candidate.steps.empty()) return;
  if (!candidate.step_scores.empty() && candidate.step_scores.size() != candidate.steps.size())
    columns.problem("wrong length", fmt::format("{} \"step_scores\" for {} \"steps\" of a candidate",
                                                candidate.step_scores.size(), candidate.steps.size()));
  std::string joined;
  for (const auto& step : candidate.steps) joined += step;
  if (candidate.completion.is_null() && !candidate.completion_ids) candidate.completion = joined;
  if (candidate.completion.is_string() && candidate.completion != joined)
    columns.problem("wrong value", "the join of \"steps\" is not the \"completion\" of its candidate");
}

/// A list of log-probs may start with null: the first token of a text has none.
std::vector<double> read_logps(Columns& columns, std::string_view name) {
  std::vector<double> out;
  for (const auto& value : columns.list(name)) {
    if (!value.is_number() && !value.is_null()) {
      columns.problem("wrong type", fmt::format("\"{}\" of a candidate must hold numbers", name));
      return {};
    }
    out.push_back(value.is_null() ? 0.0 : value.get<double>());
  }
  return out;
}

void check_lengths(Columns& columns, const record::Candidate& candidate) {
  if (!candidate.completion_mask.empty() && !candidate.completion_ids)
    columns.problem("column missing", "\"completion_mask\" needs \"completion_ids\"");
  if (!candidate.completion_ids) return;
  const std::size_t length = candidate.completion_ids->size();
  const auto check = [&](std::string_view name, std::size_t size) {
    if (size != 0 && size != length)
      columns.problem("wrong length",
                      fmt::format("{} entries of \"{}\" for {} \"completion_ids\"", size, name, length));
  };
  check("completion_mask", candidate.completion_mask.size());
  check("logps", candidate.logps.size());
  check("sampling_logps", candidate.sampling_logps.size());
}

record::Candidate read_candidate(Columns& columns) {
  record::Candidate candidate;
  if (columns.has("completion")) candidate.completion = columns.conversation("completion");
  candidate.completion_ids = columns.ids("completion_ids");
  candidate.completion_mask = columns.mask("completion_mask");
  record::visit_feedback(candidate, [&](const char* name, auto& value) { read_field(columns, name, value); });
  candidate.truncated = columns.boolean("truncated").value_or(false);
  candidate.logps = read_logps(columns, "logps");
  candidate.sampling_logps = read_logps(columns, "sampling_logps");
  read_steps(columns, candidate);
  check_lengths(columns, candidate);
  if (candidate.completion.is_null() && !candidate.completion_ids)
    columns.problem("column missing", "a candidate needs \"completion\" or \"completion_ids\"");
  return candidate;
}

class Native final : public Format {
 public:
  FormatInfo info() const override {
    return {"native",
            "A prompt with any number of candidates and feedback on them: what Attune writes. Candidates may "
            "hold logps (or sampling_logps, which go first): the old log-probabilities in the ratio of grpo "
            "and its kin, where every candidate of an update has them.",
            "prompt | prompt_ids, candidates: [{completion | completion_ids, rank, label, reward, …}]", "",
            100};
  }

  bool recognises(const core::Json& row) const override {
    if (has_column(row, "candidates")) return row.at("candidates").is_array();
    return has_column(row, "prompt_ids") && !has_column(row, "completion") &&
           !has_column(row, "completion_ids") && !has_column(row, "chosen_ids");
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    if (columns.has("prompt")) example.prompt = columns.conversation("prompt");
    columns.take("prompt");
    example.prompt_ids = columns.ids("prompt_ids");
    std::size_t count = 0;
    for (const auto& entry : columns.list("candidates")) {
      const std::string prefix = fmt::format("candidates[{}].", count++);
      if (!entry.is_object()) {
        columns.problem("wrong type", prefix.substr(0, prefix.size() - 1) + " must be an object");
        break;
      }
      Columns inner(entry, prefix);
      example.candidates.push_back(read_candidate(inner));
      if (inner.error()) columns.problem(inner.error()->reason, inner.error()->detail);
    }
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_native() {
  static const Native format;
  return &format;
}

}  // namespace attune::data
