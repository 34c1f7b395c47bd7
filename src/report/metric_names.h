// What each metric means: one table for the report, `attune list metrics` and the documentation.
//
// Names are TRL's (trainer guides, "Logged metrics"), so that dashboards made for TRL read our logs.
// Evaluation numbers carry the prefix "eval_" and mean the same on held-out data.
#pragma once

#include <span>
#include <string_view>

namespace attune::report {

/// Which way a metric should move in a healthy run. kNeither: a reading of the run, good in neither direction
/// by itself.
enum class Better { kHigher, kLower, kNeither };

struct MetricName {
  /// As in metrics.jsonl. A pattern holds one '*', which stands for one or more characters, '/' included
  /// ("rewards/*/mean").
  std::string_view name;
  std::string_view title;  ///< a few plain words: "Reward margin"
  std::string_view unit;   ///< "nats", "tokens", "fraction" …; "" for a bare number
  Better better;
  std::string_view group;  ///< one of metric_groups()
  /// Metrics of one panel are drawn in one chart, which carries this title; "" = a chart of its own.
  std::string_view panel;
  std::string_view meaning;  ///< a sentence or two, for somebody who does not know the method
};

/// A chapter of the report. `essential` ones are shown; the others are folded away at first.
struct MetricGroup {
  std::string_view name, title;
  bool essential;
};

/// Every metric that a run can log, in the order in which a report shows them.
std::span<const MetricName> metric_names();
std::span<const MetricGroup> metric_groups();

/// The entry of a name as it stands in metrics.jsonl, with or without "eval_"; exact names before patterns.
/// nullptr for a name that nobody has described (a metric of an external reward program).
const MetricName* find_metric(std::string_view name);

/// "higher", "lower" or "neither", for tables and JSON.
std::string_view to_text(Better better);

}  // namespace attune::report
