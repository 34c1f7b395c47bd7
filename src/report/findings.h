// What the numbers of a run say, in words: the verdict, the table of changes, and warnings.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace attune::report {

/// How far a run has come and how long its steps took. Steps between two logged ones are counted at the mean
/// time of the logged ones.
struct Summary {
  double last_step = HeadlineRow::kNone;
  double seconds = HeadlineRow::kNone;
};
Summary summarise(const SeriesTable& metrics);

/// Rows for the table when the caller has none: from the first to the last evaluation where the run has
/// evaluations, otherwise from the first to the last tenth of the steps with Welch's interval over them.
std::vector<HeadlineRow> headline_from_curves(const SeriesTable& metrics);

/// Two to four plain sentences: what was run, what changed, and whether that can be chance.
std::string verdict_in_words(const ReportInput& input, const std::vector<HeadlineRow>& headline);

/// What a careful reader should look at, most serious first: an unfinished run, numbers that are not numbers,
/// drift, rewards without contrast, completions cut off, clipping, pairs that teach nothing more, chosen
/// answers that lost likelihood, overfitting, gradient spikes. Empty when all is calm.
std::vector<std::string> warnings_of(const ReportInput& input);

/// Whether the change is an improvement beyond chance: "better", "worse", "unclear" (the interval holds
/// zero), or "" where the metric has no direction or the interval is unknown.
std::string judgement(const HeadlineRow& row);

/// 3 significant digits (whole numbers in full), a true minus sign, thousands as k / M / G from 100,000 on;
/// "–" for NaN.
std::string readable(double value);
/// The same with a sign for positive numbers.
std::string readable_change(double value);
/// "4 min 12 s", "2 h 5 min", "0.8 s".
std::string readable_seconds(double seconds);

}  // namespace attune::report
