// Learning rates that follow what evaluations find, not the number of updates. They start at the peak,
// without a warm-up. A metric that is no number, or infinite, is no improvement. Without a floor, changes
// smaller than 1e-8 (and than a ten-thousandth of the peak) are left out, much as in torch.
#pragma once

#include <memory>

#include "training/optimizer/schedule.h"

namespace attune::training {

/// torch's ReduceLROnPlateau: the rate is multiplied by `plateau_factor` (0.1) when more than
/// `plateau_patience` evaluations in a row were not better than the best by `plateau_threshold` (1e-4) of it;
/// then follow `plateau_cooldown` evaluations that do not count. Never below `min_lr_ratio` of the peak.
std::unique_ptr<Schedule> reduce_lr_on_plateau(const ScheduleOptions& options);

/// transformers' GreedyLR (arXiv:2512.14527): as above with a factor of 0.95 and an absolute threshold of
/// 1e-6, and the rate is divided by the factor after more than `plateau_patience` better evaluations in a
/// row, up to a rate of 1. After 500 reductions that end at the floor it starts anew from the peak.
std::unique_ptr<Schedule> greedy_schedule(const ScheduleOptions& options);

}  // namespace attune::training
