// What each metric means: one table for the report, `attune list metrics` and the documentation.
//
// Names are TRL's (trainer guides, "Logged metrics"), so that dashboards made for TRL read our logs.
// Evaluation numbers carry the prefix "eval_" and mean the same on held-out data.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "record/metric_meaning.h"

namespace attune::report {

using record::Better;
using record::MetricMeaning;

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

/// How run.json holds what its methods say of their own metrics: {"kl/margin": {"title", "meaning", "unit",
/// "better"}}. Entries of another form are left out when it is read.
core::Json to_json(const std::vector<MetricMeaning>& own);
std::vector<MetricMeaning> own_metrics(const core::Json& run);

/// The metrics of one run: those of every run, and what its methods say of their own.
class KnownMetrics {
 public:
  explicit KnownMetrics(std::vector<MetricMeaning> own);
  KnownMetrics(const KnownMetrics&) = delete;
  KnownMetrics& operator=(const KnownMetrics&) = delete;

  /// As find_metric(), then among the run's own.
  const MetricName* find(std::string_view name) const;
  /// Where a metric stands in a report: in the order of metric_names(), then the run's own, then the unknown.
  std::size_t place_of(std::string_view name) const;

 private:
  std::vector<MetricMeaning> own_;
  std::vector<MetricName> named_;  ///< views of own_, as a chapter of the report shows them
};

/// "higher", "lower" or "neither", for tables and JSON.
std::string_view to_text(Better better);

}  // namespace attune::report
