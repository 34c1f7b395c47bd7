// What quickstart measured: before, after, and how sure the difference is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/quickstart/stories.h"
#include "core/json.h"
#include "report/report.h"

namespace attune::cli {

/// One side of the comparison, on held-out openings.
struct Measured {
  double reward = 0, length = 0, distinct_2 = 0, finished = 0;
  double ordinary_logp =
      0;  ///< mean log-probability per token of the starting model's stories on other openings
  core::Json to_json() const;
};

struct Outcome {
  Measured before, after;
  std::int64_t openings = 0;  ///< what intervals are over; stories of one opening are no independent ones
  double gain = 0, gain_stderr = 0, gain_low = 0, gain_high = 0;
  double win_rate = 0, win_low = 0, win_high = 0;
  double kl = 0;  ///< nats a story, at the sampling temperature: mean of log π − log π_start over own stories
  double likelihood_change = 0;  ///< of a token of ordinary stories, relative: exp(Δ mean log p) − 1
  std::size_t shown = 0;         ///< the opening whose stories are shown: the upper quartile of improvements

  core::Json to_json(const core::Json& seconds) const;
  std::vector<report::HeadlineRow> headline() const;
  /// The table for the terminal.
  std::string table() const;
};

struct OutcomeInput {
  const Stories& before;
  const Stories& after;
  std::vector<Likelihood> after_under_itself, after_under_start;  ///< at the sampling temperature
  std::vector<Likelihood> ordinary_before, ordinary_after;        ///< at temperature 1
};
Outcome measure(const OutcomeInput& input);

}  // namespace attune::cli
