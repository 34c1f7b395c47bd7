// Which curves a report draws, in which order, and the data its scripts draw them from.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace attune::report {

/// The curves: HTML with one <figure data-chart="i"> per chart, and the JSON list that
/// assets/report/charts.js reads.
/// @param own what the run's methods say of metrics of their own
/// @param fresh the model wrote the completions that its rewards are of; rewards from a file are no progress,
/// and their charts say so
struct Curves {
  std::string html, data;
};
Curves render_curves(const SeriesTable& metrics, const std::vector<MetricMeaning>& own, bool fresh);

/// The JSON list that assets/report/samples.js reads: at most 24 prompts, each with at most 12 texts (the
/// first and the last among them), ordered by step; long texts are cut.
std::string sample_data(const std::vector<ReportSample>& samples);

}  // namespace attune::report
