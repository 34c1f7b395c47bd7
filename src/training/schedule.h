// Learning-rate schedules, under the names and with the formulas of transformers' optimization.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune::training {

struct ScheduleOptions {
  std::string name = "linear";
  std::int64_t warmup_steps = 0, total_steps = 1;
  double min_lr_ratio = 0;  ///< cosine_with_min_lr, warmup_stable_decay: floor as a share of the peak
  double num_cycles = 0;    ///< of the cosines; 0: 1 with restarts, else a half
  double power = 1;         ///< polynomial
  double peak = 1;          ///< the rate that factors multiply; polynomial ends at a rate, not at a share
  std::int64_t decay_steps = 0;  ///< warmup_stable_decay: 0 = the last tenth
};

struct ScheduleInfo {
  std::string name, summary;
};
std::vector<ScheduleInfo> schedules();

/// Factor on the peak learning rate for the update number `step`, counted from 0.
double schedule_factor(const ScheduleOptions& options, std::int64_t step);

}  // namespace attune::training
