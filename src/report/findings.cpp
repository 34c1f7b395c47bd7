#include "report/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "statistics/intervals.h"

namespace attune::report {
namespace {

/// What a reader asks for first, in this order.
constexpr std::string_view kHeadlineMetrics[] = {
    "reward", "rewards/margins", "rewards/accuracies",      "accuracy", "mean_token_accuracy", "loss",
    "kl",     "entropy",         "completions/mean_length",
};

bool enough_for_interval(const std::vector<double>& early, const std::vector<double>& late) {
  return early.size() >= 3 && late.size() >= 3;
}

HeadlineRow row_of(const MetricName& metric) {
  HeadlineRow row;
  row.name = std::string(metric.panel.empty() ? metric.title : metric.panel);
  row.unit = std::string(metric.unit);
  row.better = metric.better;
  return row;
}

HeadlineRow row_from_evaluations(const MetricName& metric, const Series& series) {
  HeadlineRow row = row_of(metric);
  row.name += " (held out)";
  row.before = series.values.front();
  row.after = series.values.back();
  row.meaning = fmt::format("First evaluation (step {}) against the last (step {}).",
                            readable(series.steps.front()), readable(series.steps.back()));
  return row;
}

HeadlineRow row_from_training(const MetricName& metric, const Series& series) {
  HeadlineRow row = row_of(metric);
  const auto early = early_values(series), late = late_values(series);
  const statistics::Estimate estimate = statistics::difference(early, late);
  row.before = early_mean(series);
  row.after = late_mean(series);
  row.meaning =
      fmt::format("Mean of the first {} and of the last {} logged steps.", early.size(), late.size());
  if (enough_for_interval(early, late)) {
    row.low = estimate.low;
    row.high = estimate.high;
    if (metric.unit == "fraction") {  // it cannot leave [0, 1]
      row.low = std::max(row.low, -row.before);
      row.high = std::min(row.high, 1 - row.before);
    }
    row.meaning += " The interval covers the scatter between steps only.";
  }
  return row;
}

double change_of(const HeadlineRow& row) {
  return std::isnan(row.change) ? row.after - row.before : row.change;
}

std::string opening(const ReportInput& input) {
  if (input.metrics.rows() == 0) return "Nothing has been logged yet.";
  const Summary summary = summarise(input.metrics);
  std::string text = fmt::format("The run made {} {}", readable(summary.last_step),
                                 summary.last_step == 1 ? "step" : "steps");
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
  if (std::isnan(change)) return fmt::format("{}: {}.", row.name, readable(row.after));
  const std::string unit = row.unit.empty() || row.unit == "fraction" ? "" : " " + row.unit;
  std::string text = fmt::format("{} {} from {} to {}{}", row.name,
                                 change > 0   ? "rose"
                                 : change < 0 ? "fell"
                                              : "stayed",
                                 readable(row.before), readable(row.after), unit);
  if (!std::isnan(row.low) && !std::isnan(row.high)) {
    const bool beyond = row.low > 0 || row.high < 0;
    text += fmt::format(" (95 % interval of the change {} to {})", readable_change(row.low),
                        readable_change(row.high));
    text += beyond ? ", more than chance explains" : ", which chance alone could explain";
  }
  return text + ".";
}

}  // namespace

std::vector<HeadlineRow> headline_from_curves(const SeriesTable& metrics) {
  std::vector<HeadlineRow> rows;
  for (const auto name : kHeadlineMetrics) {
    const MetricName& metric = *find_metric(name);
    const Series* evaluated = metrics.find("eval_" + std::string(name));
    const Series* trained = metrics.find(name);
    if (evaluated != nullptr && evaluated->values.size() >= 2) {
      rows.push_back(row_from_evaluations(metric, *evaluated));
    } else if (trained != nullptr && trained->values.size() >= 2) {
      rows.push_back(row_from_training(metric, *trained));
    }
  }
  return rows;
}

std::string verdict_in_words(const ReportInput& input, const std::vector<HeadlineRow>& headline) {
  std::string text = opening(input);
  for (std::size_t i = 0; i < std::min<std::size_t>(2, headline.size()); ++i) {
    if (const auto sentence = sentence_of(headline[i]); !sentence.empty()) text += " " + sentence;
  }
  return text;
}

std::string judgement(const HeadlineRow& row) {
  const bool known = !std::isnan(change_of(row)) && !std::isnan(row.low) && !std::isnan(row.high);
  if (row.better == Better::kNeither || !known) return "";
  const double sign = row.better == Better::kHigher ? 1 : -1;
  if (row.low <= 0 && row.high >= 0) return "unclear";
  return sign * row.low > 0 ? "better" : "worse";
}

Summary summarise(const SeriesTable& metrics) {
  Summary summary;
  for (const auto& series : metrics.all()) {
    if (series.steps.empty()) continue;
    const double last = series.steps.back();
    summary.last_step = std::isnan(summary.last_step) ? last : std::max(summary.last_step, last);
  }
  if (const Series* seconds = metrics.find("step_seconds")) {
    double sum = 0, logged = 0;
    for (const double value : seconds->values) {
      if (std::isfinite(value)) sum += value, ++logged;
    }
    if (logged > 0) summary.seconds = sum / logged * summary.last_step;
  }
  return summary;
}

}  // namespace attune::report
