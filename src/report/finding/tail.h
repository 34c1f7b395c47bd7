// The last tenth of a run, and how much it holds: a share without its number of cases says nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "report/report.h"

namespace attune::report {

/// What a share in the last tenth of a run is a share of.
struct TailShare {
  double value = HeadlineRow::kNone;  ///< the mean there
  std::int64_t hits = 0, cases = 0;   ///< different cases at most; cases 0: unknown how many
  std::int64_t steps = 0;             ///< logged steps of the tail

  /// "1 of the last 4 pairs", "67 of the last 100 pairs (67 %)", "40 % of the pairs of the last 3 logged
  /// steps" where the cases cannot be counted.
  std::string text(std::string_view cases_name) const;
  /// The 95 % interval of the share (Wilson), cases that cannot be counted taken for one a step.
  double low() const;
  double high() const;
};

/// What one case of a metric is.
enum class Case { kRecord, kPair, kCompletion };

/// How many cases there are follows from the epochs that went by and the counts of the data in run.json.
TailShare tail_share(const ReportInput& input, const Series& series, Case one);

}  // namespace attune::report
