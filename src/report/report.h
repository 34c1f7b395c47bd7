// The report of a run: one self-contained HTML page that says what was trained, whether it helped, how sure
// that is, and what it cost. It loads nothing from anywhere, works from file://, on a phone, in light and in
// dark.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/json.h"
#include "report/metric_names.h"
#include "report/run/held_out.h"
#include "report/run/series.h"

namespace attune::report {

/// One line of the table at the top: a quantity before and after.
struct HeadlineRow {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  std::string name{};     ///< "Mean reward on held-out openings"
  double before = kNone;  ///< NaN where it makes no sense (a win rate has no before)
  double after = kNone;
  double change = kNone;  ///< NaN: after − before
  double low = kNone,
         high = kNone;  ///< 95 % interval of the change; of `after` where there is no before. NaN: unknown
  std::string unit{};   ///< "tokens", "nats", "" …
  Better better = Better::kNeither;
  std::string meaning{};  ///< a sentence: what it is, and for intervals, over what
  /// What the interval is over: so many of these, each measured before and after. Without them there is no
  /// evidence, and the page claims no change.
  std::int64_t count = 0;
  std::string counted = "prompts";
};

/// A text that the model wrote for a prompt at a step. Texts of the same `id` are shown beside each other.
struct ReportSample {
  std::string id;
  std::string prompt;
  std::int64_t step = 0;
  std::string completion;
  double reward = HeadlineRow::kNone;
};

/// A row of the batch at which a run stopped because its loss was no number.
struct BadRow {
  std::string place;  ///< "row 17 of prefs.jsonl"
  std::string prompt, completion;
};

/// What a run folder does not hold.
struct ReportExtras {
  std::string state{};                  ///< "" = as run.json says
  std::string title{};                  ///< "" = "<method> on <model>" as far as the recipe tells
  std::string verdict{};                ///< the opening sentences; "" = written from the numbers
  std::vector<HeadlineRow> headline{};  ///< {} = taken from the curves
  std::vector<std::string> notes{};     ///< shown with the warnings
};

struct ReportInput {
  std::string folder_name;  ///< last part of OUTPUT
  std::string recipe;       ///< recipe.yaml, as text
  core::Json run;           ///< run.json; null if there is none
  SeriesTable metrics;
  std::vector<HeldOut> held_out;  ///< in order of step
  std::vector<ReportSample> samples;
  std::vector<BadRow> bad_batch;  ///< of a run that failed
  ReportExtras extras;
};

/// The page. Every text in `input` may be hostile: it is escaped, and cut where it would make the page
/// unusable.
std::string render_report(const ReportInput& input);

/// What of a run folder enters the report: recipe.yaml, run.json, metrics.jsonl, evaluations.jsonl,
/// samples.jsonl, and of a failed run bad_batch.jsonl. Files that are missing and lines that cannot be read
/// are left out (a note of the report counts the latter).
/// @throws Error{kRequest} if there is no such folder.
ReportInput read_run_folder(const std::string& run_folder);

/// read_run_folder, render_report, and report.html written atomically. Works on a run that is going on, too.
/// @throws Error{kRun} if it cannot be written.
void write_report(const std::string& run_folder, ReportExtras extras = {});

}  // namespace attune::report
