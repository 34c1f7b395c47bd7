#include "training/schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "core/error.h"

namespace attune::training {
namespace {

/// Where an update stands: `x` updates after the warm-up, of `length`.
struct After {
  double x, length;
  double share() const { return x / std::max(1.0, length); }
};

using Shape = double (*)(const ScheduleOptions&, After);

double linear(const ScheduleOptions&, After at) { return std::max(0.0, 1 - at.share()); }
double constant(const ScheduleOptions&, After) { return 1; }
double cycles(const ScheduleOptions& options, double standard) {
  return options.num_cycles > 0 ? options.num_cycles : standard;
}
double cosine_fall(const ScheduleOptions& options, double share) {
  return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * cycles(options, 0.5) * 2 * share)));
}
double above_floor(const ScheduleOptions& options, double factor) {
  return factor * (1 - options.min_lr_ratio) + options.min_lr_ratio;
}
double cosine(const ScheduleOptions& options, After at) { return cosine_fall(options, at.share()); }
double cosine_with_restarts(const ScheduleOptions& options, After at) {
  if (at.share() >= 1) return 0;
  return std::max(0.0,
                  0.5 * (1 + std::cos(std::numbers::pi * std::fmod(cycles(options, 1) * at.share(), 1.0))));
}
double cosine_with_min_lr(const ScheduleOptions& options, After at) {
  return above_floor(options, cosine(options, at));
}
double polynomial(const ScheduleOptions& options, After at) {
  const double end = std::min(1.0, 1e-7 / options.peak);  // as transformers: down to a rate of 1e-7
  return at.share() >= 1 ? end : (1 - end) * std::pow(1 - at.share(), options.power) + end;
}
double inverse_sqrt(const ScheduleOptions& options, After at) {
  const double scale = options.warmup_steps > 0 ? static_cast<double>(options.warmup_steps) : 10000;
  return 1 / std::sqrt((at.x + scale) / scale);
}
double warmup_stable_decay(const ScheduleOptions& options, After at) {
  const double decay =
      options.decay_steps > 0 ? static_cast<double>(options.decay_steps) : std::ceil(at.length / 10);
  const double into = at.x - (at.length - decay);
  if (into >= decay) return options.min_lr_ratio;
  return into <= 0 ? 1 : above_floor(options, cosine_fall(options, into / decay));
}

struct Entry {
  const char* name;
  Shape shape;
  const char* summary;
  bool ahead = false;  ///< every update is made with the rate that the others have one update later
};
constexpr Entry kEntries[] = {
    {"linear", linear, "Falls in a straight line to zero."},
    {"cosine", cosine, "Falls along half a cosine to zero."},
    {"cosine_with_restarts", cosine_with_restarts, "Cosine falls, started anew num_cycles times."},
    {"cosine_with_min_lr", cosine_with_min_lr, "Falls along half a cosine to min_lr_ratio of the peak."},
    {"cosine_warmup_with_min_lr", cosine_with_min_lr,
     "cosine_with_min_lr, one update ahead: the first is made with a share of the peak, not with zero.",
     true},
    {"polynomial", polynomial, "Falls as (1 - t)^power to a rate of 1e-7."},
    {"constant", constant, "Stays at the peak after the warm-up."},
    {"constant_with_warmup", constant, "Another name of constant, as in transformers."},
    {"inverse_sqrt", inverse_sqrt, "Falls with the square root of the steps."},
    {"warmup_stable_decay", warmup_stable_decay,
     "Stays at the peak, then falls along a cosine in the last part."},
};

}  // namespace

std::vector<ScheduleInfo> schedules() {
  std::vector<ScheduleInfo> infos;
  for (const Entry& entry : kEntries) infos.push_back({entry.name, entry.summary});
  return infos;
}

double schedule_factor(const ScheduleOptions& options, std::int64_t step) {
  const auto entry = std::find_if(std::begin(kEntries), std::end(kEntries),
                                  [&](const Entry& e) { return options.name == e.name; });
  ATTUNE_ASSERT(entry != std::end(kEntries));
  const std::int64_t ahead = entry->ahead ? 1 : 0;
  if (step < options.warmup_steps)
    return static_cast<double>(step + ahead) / static_cast<double>(options.warmup_steps);
  return entry->shape(options, {static_cast<double>(step + ahead - options.warmup_steps),
                                static_cast<double>(options.total_steps - options.warmup_steps)});
}

}  // namespace attune::training
