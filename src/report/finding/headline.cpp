// The table "What changed".
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/system.h"
#include "report/finding/findings.h"
#include "report/finding/warnings.h"
#include "report/run/settings.h"

namespace attune::report {
namespace {

/// What a reader asks for first, in this order.
constexpr std::string_view kHeadlineMetrics[] = {
    "reward", "rewards/margins", "rewards/accuracies",      "accuracy", "mean_token_accuracy", "loss",
    "kl",     "entropy",         "completions/mean_length",
};

/// The methods that train together, whose names stand before those of their metrics; "" alone for one method.
std::vector<std::string> methods_of(const ReportInput& input) {
  std::vector<std::string> names = {""};
  const Settings settings(input.recipe);
  const core::Json* method = settings.find("method");
  if (method == nullptr || !method->is_array()) return names;
  for (const auto& entry : *method) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string()) continue;
    const std::string name = entry["name"];
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

HeadlineRow row_of(const MetricName& metric) {
  HeadlineRow row;
  row.name = std::string(metric.panel.empty() ? metric.title : metric.panel);
  row.unit = std::string(metric.unit);
  row.better = metric.better;
  return row;
}

/// The step whose model is the run's result, if it says.
double result_step_of(const ReportInput& input) {
  const auto& run = input.run;
  if (!run.is_object() || !run.contains("result_step")) return HeadlineRow::kNone;
  return run["result_step"].is_number() ? run["result_step"].get<double>() : HeadlineRow::kNone;
}

/// The evaluation of the result, or the last one.
std::size_t result_place(const ReportInput& input, const Series& series) {
  const auto found = std::ranges::find(series.steps, result_step_of(input));
  return (found == series.steps.end() ? series.steps.size() - 1
                                      : static_cast<std::size_t>(found - series.steps.begin()));
}

std::string ties_text(const HeldOutChange& change) {
  if (change.ties_before + change.ties_after == 0) return "";
  return fmt::format(
      " Ties, in which the model prefers neither side, count half: {} of {} before, {} of {} after.",
      readable(change.ties_before), readable(change.pairs), readable(change.ties_after),
      readable(change.pairs));
}

/// Gives a row its interval where both evaluations were kept prompt by prompt.
void add_evidence(HeadlineRow& row, const ReportInput& input, const Series& series, std::size_t at) {
  const HeldOut* first = held_out_at(input.held_out, series.steps.front());
  const HeldOut* last = held_out_at(input.held_out, series.steps[at]);
  if (first == nullptr || last == nullptr) return;
  const auto change = held_out_change(*first, *last, series.name, row.unit == "fraction");
  if (!change) return;
  row.before = change->before;
  row.after = change->after;
  row.change = change->change.value;
  row.low = change->change.low;
  row.high = change->change.high;
  row.count = std::isnan(change->change.low) ? 0 : change->change.count;
  row.meaning +=
      (change->change.count == 1 ? " All held-out records share one prompt, which gives no interval." : "") +
      ties_text(*change);
}

HeadlineRow row_from_evaluations(const MetricName& metric, const Series& series, const ReportInput& input,
                                 const std::string& method) {
  HeadlineRow row = row_of(metric);
  row.name += (method.empty() ? "" : " of " + method) + " (held out)";
  const std::size_t at = result_place(input, series);
  row.before = series.values.front();
  row.after = series.values[at];
  row.meaning =
      fmt::format("{} Step {} against step {}{}.", metric.meaning, readable(series.steps.front()),
                  readable(series.steps[at]),
                  at + 1 < series.steps.size() ? ", the result, which was chosen by these evaluations" : "");
  add_evidence(row, input, series, at);
  return row;
}

/// Whether the result is a model that knows nothing: no change towards that is for the better.
bool result_is_uniform(const ReportInput& input) {
  if (!ends_uniform(input)) return false;
  const double result = result_step_of(input);
  return std::isnan(result) || result >= input.metrics.find("entropy")->steps.back();
}

HeadlineRow row_from_training(const MetricName& metric, const Series& series, bool fresh,
                              const std::string& method) {
  HeadlineRow row = row_of(metric);
  if (!method.empty()) row.name += " of " + method;
  row.name += fresh ? " (training samples)" : " (training data)";
  row.before = early_mean(series);
  row.after = late_mean(series);
  const auto steps = [](std::size_t count) { return core::counted(count, "logged step"); };
  row.meaning = fmt::format("{} Mean of the first {} and of the last {}. {}", metric.meaning,
                            steps(early_values(series).size()), steps(late_values(series).size()),
                            fresh ? "Every step has other prompts, so this is no comparison of the same."
                                  : "It says how well these data are fitted, not what holds for others.");
  if (metric.name == "rewards/accuracies" && series.values.front() == 0)
    row.meaning +=
        " At the start a model that is its own reference prefers neither side; such ties count as wrong.";
  return row;
}

}  // namespace

std::vector<HeadlineRow> headline_of(const ReportInput& input) {
  if (!input.extras.headline.empty()) return input.extras.headline;
  const bool fresh = Settings(input.recipe).samples_itself();
  const auto methods = methods_of(input);
  std::vector<HeadlineRow> rows;
  for (const auto name : kHeadlineMetrics) {
    if (name == "reward" && !fresh) continue;
    const MetricName& metric = *find_metric(name);
    for (const std::string& method : methods) {
      const std::string full = method.empty() ? std::string(name) : method + "/" + std::string(name);
      const Series* evaluated = input.metrics.find("eval_" + full);
      const Series* trained = input.metrics.find(full);
      if (evaluated != nullptr && evaluated->values.size() >= 2) {
        rows.push_back(row_from_evaluations(metric, *evaluated, input, method));
      } else if (trained != nullptr && trained->values.size() >= 2) {
        rows.push_back(row_from_training(metric, *trained, fresh, method));
      }
    }
  }
  if (result_is_uniform(input))
    for (HeadlineRow& row : rows) row.better = Better::kNeither;
  return rows;
}

bool has_evidence(const HeadlineRow& row) {
  return row.count > 0 && !std::isnan(row.low) && !std::isnan(row.high);
}

std::string judgement(const HeadlineRow& row) {
  if (row.better == Better::kNeither || !has_evidence(row)) return "";
  const double sign = row.better == Better::kHigher ? 1 : -1;
  if (row.low <= 0 && row.high >= 0) return "unclear";
  return sign * row.low > 0 ? "better" : "worse";
}

}  // namespace attune::report
