// What the numbers of a run say, in words: the verdict, the table of changes, and warnings.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace attune::report {

/// How far a run has come, how long its updates took, and how many tokens they learned from in a second of
/// that. Evaluations, checkpoints and samples are not in it. A logged time is the mean of the updates since
/// the one before.
struct Summary {
  double last_step = HeadlineRow::kNone;
  double seconds = HeadlineRow::kNone;
  double tokens_per_second = HeadlineRow::kNone;
};
Summary summarise(const SeriesTable& metrics);

/// The rows of the table: the caller's, where it has some. Otherwise from the first evaluation to that of the
/// result where the run has evaluations, with an interval over prompts where evaluations.jsonl has them; else
/// from the first to the last tenth of the steps, which are numbers of the training data and no evidence.
/// Rewards that stood in a file are left out: they do not depend on the model.
std::vector<HeadlineRow> headline_of(const ReportInput& input);

/// A few plain sentences: what was run, what changed, and whether that can be chance. "rose" and "fell" are
/// said of rows with evidence only: an interval over prompts that does not hold zero.
std::string verdict_in_words(const ReportInput& input, const std::vector<HeadlineRow>& headline);

/// Why a failed run stopped, as its run.json says; "" for any other run.
std::string failure_of(const ReportInput& input);

/// What a careful reader should look at, most serious first: an unfinished run, numbers that are not numbers,
/// drift, rewards without contrast, completions cut off, clipping, pairs that teach nothing more, chosen
/// answers that lost likelihood, overfitting, gradient spikes. Empty when all is calm. A share counts what it
/// is a share of, and nothing is said against what the headline has evidence for.
std::vector<std::string> warnings_of(const ReportInput& input);

/// Whether the row has an interval over something that was counted.
bool has_evidence(const HeadlineRow& row);

/// Whether the change is an improvement beyond chance: "better", "worse", "unclear" (the interval holds
/// zero), or "" where the metric has no direction or the interval is unknown or over nothing.
std::string judgement(const HeadlineRow& row);

/// 3 significant digits (whole numbers in full), a true minus sign, thousands as k / M / G from 100,000 on;
/// "–" for NaN.
std::string readable(double value);
/// The same with a sign for positive numbers.
std::string readable_change(double value);
/// "4 min 12 s", "2 h 5 min", "0.8 s".
std::string readable_seconds(double seconds);

}  // namespace attune::report
