#include "training/optimizer/schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "core/error.h"
#include "training/optimizer/adaptive_schedule.h"

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

class ShapedSchedule : public Schedule {
 public:
  ShapedSchedule(ScheduleOptions options, Shape shape, bool ahead)
      : options_(std::move(options)), shape_(shape), ahead_(ahead ? 1 : 0) {}
  double factor(std::int64_t step) const override {
    if (step < options_.warmup_steps)
      return static_cast<double>(step + ahead_) / static_cast<double>(options_.warmup_steps);
    return shape_(options_, {static_cast<double>(step + ahead_ - options_.warmup_steps),
                             static_cast<double>(options_.total_steps - options_.warmup_steps)});
  }

 private:
  ScheduleOptions options_;
  Shape shape_;
  std::int64_t ahead_;
};

using Make = std::function<std::unique_ptr<Schedule>(const ScheduleOptions&)>;

/// @param ahead every update is made with the rate that the other schedules have one update later
Make shaped(Shape shape, bool ahead = false) {
  return [shape, ahead](const ScheduleOptions& options) {
    return std::make_unique<ShapedSchedule>(options, shape, ahead);
  };
}

struct Entry {
  ScheduleInfo info;
  Make make;
};

/// A schedule that rises from 0 and then has a shape; beside the warm-up it heeds `settings`.
Entry warmed_up(const char* name, const char* summary, Make make, std::vector<std::string> settings = {}) {
  settings.insert(settings.begin(), {"warmup_steps", "warmup_ratio"});
  return {{name, summary, std::move(settings)}, std::move(make)};
}
Entry following(const char* name, const char* summary, Make make) {
  return {{name,
           summary,
           {"min_lr_ratio", "plateau_factor", "plateau_threshold", "plateau_patience", "plateau_cooldown"},
           true},
          std::move(make)};
}

std::vector<Entry> entries() {
  return {
      warmed_up("linear", "Falls in a straight line to zero.", shaped(linear)),
      warmed_up("cosine", "Falls along half a cosine to zero.", shaped(cosine), {"num_cycles"}),
      warmed_up("cosine_with_restarts", "Cosine falls, started anew num_cycles times.",
                shaped(cosine_with_restarts), {"num_cycles"}),
      warmed_up("cosine_with_min_lr", "Falls along half a cosine to min_lr_ratio of the peak.",
                shaped(cosine_with_min_lr), {"min_lr_ratio", "num_cycles"}),
      warmed_up(
          "cosine_warmup_with_min_lr",
          "cosine_with_min_lr, one update ahead: the first is made with a share of the peak, not with zero.",
          shaped(cosine_with_min_lr, true), {"min_lr_ratio", "num_cycles"}),
      warmed_up("polynomial", "Falls as (1 - t)^power to a rate of 1e-7.", shaped(polynomial), {"power"}),
      warmed_up("constant", "Stays at the peak after the warm-up.", shaped(constant)),
      warmed_up("constant_with_warmup", "Another name of constant, as in transformers.", shaped(constant)),
      warmed_up("inverse_sqrt", "Falls with the square root of the steps.", shaped(inverse_sqrt)),
      warmed_up("warmup_stable_decay", "Stays at the peak, then falls along a cosine in the last part.",
                shaped(warmup_stable_decay), {"decay_steps", "min_lr_ratio", "num_cycles"}),
      following("reduce_lr_on_plateau", "Falls to a tenth whenever eval.metric has not improved for a while.",
                reduce_lr_on_plateau),
      following("greedy", "Falls by 5 % while eval.metric does not improve and rises again while it does.",
                greedy_schedule),
  };
}

Entry entry_of(const std::string& name) {
  auto all = entries();
  const auto entry = std::ranges::find_if(all, [&](const Entry& e) { return e.info.name == name; });
  ATTUNE_ASSERT(entry != all.end());
  return std::move(*entry);
}

}  // namespace

std::vector<ScheduleInfo> schedules() {
  std::vector<ScheduleInfo> infos;
  for (Entry& entry : entries()) infos.push_back(std::move(entry.info));
  return infos;
}

ScheduleInfo schedule_info(const std::string& name) { return entry_of(name).info; }

std::unique_ptr<Schedule> make_schedule(const ScheduleOptions& options) {
  return entry_of(options.name).make(options);
}

}  // namespace attune::training
