// Learning-rate schedules, under the names and with the formulas of transformers' optimization.py.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::training {

/// What a schedule is told: the settings of `training` that it heeds, and what the run is like.
struct ScheduleOptions {
  std::string name = "linear";
  std::int64_t warmup_steps = 0, total_steps = 1;
  double min_lr_ratio = 0;       ///< floor as a share of the peak
  double num_cycles = 0;         ///< of the cosines; 0: 1 with restarts, else a half
  double power = 1;              ///< polynomial
  double peak = 1;               ///< the rate that factors multiply
  std::int64_t decay_steps = 0;  ///< warmup_stable_decay: 0 = the last tenth
  // Of the schedules that follow an evaluation; a factor of 0 and a negative threshold: the schedule's own.
  double plateau_factor = 0, plateau_threshold = -1;
  std::int64_t plateau_patience = 10, plateau_cooldown = 0;
  bool lower_is_better = true;  ///< of the metric that is followed
};

class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Factor on the peak learning rate for the update number `step`, counted from 0.
  virtual double factor(std::int64_t step) const = 0;
  /// What an evaluation during training found (NaN where there is no number).
  virtual void observe(double /*metric*/) {}
  /// What a checkpoint keeps of the evaluations so far.
  virtual core::Json state() const { return nullptr; }
  /// @throws core::Json::exception when something is missing
  virtual void restore(const core::Json& /*state*/) {}
};

struct ScheduleInfo {
  std::string name, summary;
  std::vector<std::string> heeds;  ///< settings of `training` that change it, beside the peak
  bool follows_evaluation = false;
};
std::vector<ScheduleInfo> schedules();
/// @param name one of schedules()
ScheduleInfo schedule_info(const std::string& name);

/// @param options whose name is one of schedules()
std::unique_ptr<Schedule> make_schedule(const ScheduleOptions& options);

}  // namespace attune::training
