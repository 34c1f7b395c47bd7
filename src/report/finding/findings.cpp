#include "report/finding/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/system.h"

namespace attune::report {
namespace {

double change_of(const HeadlineRow& row) {
  return std::isnan(row.change) ? row.after - row.before : row.change;
}

/// What a field of run.json says, "" where it says nothing.
std::string said_by_run(const ReportInput& input, const char* field) {
  if (!input.run.is_object() || !input.run.contains(field) || !input.run[field].is_string()) return "";
  return input.run[field].get<std::string>();
}

std::string opening(const ReportInput& input) {
  const bool failed = said_by_run(input, "state") == "failed";
  if (input.metrics.rows() == 0)
    return failed ? "The run failed before anything was logged." : "Nothing has been logged yet.";
  const Summary summary = summarise(input.metrics);
  std::string text = fmt::format("The run {} {} {}", failed ? "failed after" : "made",
                                 readable(summary.last_step), summary.last_step == 1 ? "step" : "steps");
  const Series* tokens = input.metrics.find("num_tokens");
  if (tokens != nullptr && !tokens->values.empty() && std::isfinite(tokens->values.back())) {
    text += fmt::format(" over {} tokens", readable(tokens->values.back()));
  }
  if (!std::isnan(summary.seconds)) text += " in " + readable_seconds(summary.seconds);
  text += ".";
  const auto result = input.run.is_object() ? input.run.find("result_step") : input.run.end();
  if (result != input.run.end() && result->is_number_integer() && result->get<double>() < summary.last_step)
    text += fmt::format(" The result is the model of step {}, the best by its evaluation.",
                        readable(result->get<double>()));
  return text;
}

std::string sentence_of(const HeadlineRow& row) {
  const double change = change_of(row);
  if (std::isnan(row.after)) return "";
  const std::string unit = row.unit.empty() || row.unit == "fraction" ? "" : " " + row.unit;
  if (std::isnan(change) && has_evidence(row))
    return fmt::format("{}: {}{} (95 % interval {} to {}, over {} {}).", row.name, readable(row.after), unit,
                       readable(row.low), readable(row.high), row.count, row.counted);
  if (std::isnan(change)) return fmt::format("{}: {}{}.", row.name, readable(row.after), unit);
  if (!has_evidence(row))
    return fmt::format("{}: {} at first, {}{} at the end.", row.name, readable(row.before),
                       readable(row.after), unit);
  const std::string interval =
      fmt::format("95 % interval of the change {} to {}, over {} {}", readable_change(row.low),
                  readable_change(row.high), row.count, row.counted);
  if (row.low <= 0 && row.high >= 0)
    return fmt::format("{} was {} and is {}{} ({}): chance alone could explain that.", row.name,
                       readable(row.before), readable(row.after), unit, interval);
  return fmt::format("{} {} from {} to {}{} ({}), more than chance explains.", row.name,
                     change > 0 ? "rose" : "fell", readable(row.before), readable(row.after), unit, interval);
}

/// The two rows that a reader asks for first, those with evidence before others, and whatever became worse.
std::vector<const HeadlineRow*> rows_to_tell(const std::vector<HeadlineRow>& headline) {
  std::vector<const HeadlineRow*> chosen;
  for (const bool evidence : {true, false})
    for (const auto& row : headline)
      if (has_evidence(row) == evidence && chosen.size() < 2 && !std::isnan(row.after))
        chosen.push_back(&row);
  for (const auto& row : headline)
    if (judgement(row) == "worse" && std::ranges::find(chosen, &row) == chosen.end()) chosen.push_back(&row);
  return chosen;
}

}  // namespace

std::string failure_of(const ReportInput& input) {
  if (said_by_run(input, "state") != "failed") return "";
  const std::string reason = said_by_run(input, "reason");
  return reason.empty() ? "its run.json gives no reason" : reason;
}

std::string verdict_in_words(const ReportInput& input, const std::vector<HeadlineRow>& headline) {
  std::string text = opening(input);
  const auto rows = rows_to_tell(headline);
  for (const HeadlineRow* row : rows) text += " " + sentence_of(*row);
  if (!rows.empty() && std::ranges::none_of(headline, has_evidence))
    text += " None of this is evidence: " +
            std::string(input.metrics.find("eval_loss") == nullptr
                            ? "nothing was held out (eval.data names a file that is)."
                            : "no interval over held-out prompts can be made.");
  const std::size_t warnings = warnings_of(input).size() + input.extras.notes.size();
  if (warnings > 0)
    text += fmt::format(" {} below {} worth a look first.", core::counted(warnings, "thing"),
                        warnings == 1 ? "is" : "are");
  return text;
}

Summary summarise(const SeriesTable& metrics) {
  Summary summary;
  for (const auto& series : metrics.all()) {
    if (series.steps.empty()) continue;
    const double last = series.steps.back();
    summary.last_step = std::isnan(summary.last_step) ? last : std::max(summary.last_step, last);
  }
  if (const Series* seconds = metrics.find("step_seconds")) {
    double sum = 0, counted = 0, before = 0;
    for (std::size_t i = 0; i < seconds->values.size(); ++i) {
      const double steps = seconds->steps[i] - before;
      before = seconds->steps[i];
      if (std::isfinite(seconds->values[i])) sum += seconds->values[i] * steps, counted += steps;
    }
    if (counted > 0) summary.seconds = sum / counted * summary.last_step;
  }
  if (const Series* tokens = metrics.find("num_tokens"); tokens != nullptr && summary.seconds > 0)
    summary.tokens_per_second = tokens->values.back() / summary.seconds;
  return summary;
}

}  // namespace attune::report
