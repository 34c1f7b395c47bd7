#include "training/optimizer/adaptive_schedule.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace attune::training {
namespace {

constexpr std::int64_t kReductionsAtFloor = 500;

class AdaptiveSchedule : public Schedule {
 public:
  /// @param factor, threshold the schedule's own, where the options leave them open
  AdaptiveSchedule(const ScheduleOptions& options, double factor, double threshold)
      : peak_(options.peak),
        floor_(options.min_lr_ratio * options.peak),
        factor_(options.plateau_factor > 0 ? options.plateau_factor : factor),
        highest_(std::max(1.0, options.peak)),
        smallest_change_(floor_ > 0 ? 0 : std::min(1e-8, options.peak / 10'000)),
        threshold_(options.plateau_threshold >= 0 ? options.plateau_threshold : threshold),
        patience_(options.plateau_patience),
        cooldown_(options.plateau_cooldown),
        lower_is_better_(options.lower_is_better),
        rate_(options.peak) {}

  double factor(std::int64_t /*step*/) const override { return rate_ / peak_; }

  core::Json state() const override {
    return {{"rate", rate_},       {"best", best_ ? core::Json(*best_) : core::Json()},
            {"good", good_},       {"bad", bad_},
            {"resting", resting_}, {"left_at_floor", left_at_floor_}};
  }
  void restore(const core::Json& state) override {
    rate_ = state.at("rate");
    best_ = state.at("best").is_null() ? std::nullopt : std::optional<double>(state.at("best"));
    good_ = state.at("good");
    bad_ = state.at("bad");
    resting_ = state.at("resting");
    left_at_floor_ = state.at("left_at_floor");
  }

 protected:
  /// Counts an evaluation as good or bad. @param margin by which a better one must beat the best
  void count(double metric, double margin) {
    const bool better = std::isfinite(metric) &&
                        (!best_ || (lower_is_better_ ? metric < *best_ - margin : metric > *best_ + margin));
    if (better) best_ = metric;
    good_ = better ? good_ + 1 : 0;
    bad_ = better ? 0 : bad_ + 1;
  }
  double threshold() const { return threshold_; }
  double best_or(double other) const { return best_.value_or(other); }
  /// True in an evaluation that follows a reduction too closely to count.
  bool rests() {
    if (resting_ == 0) return false;
    --resting_;
    good_ = bad_ = 0;
    return true;
  }
  bool impatient(std::int64_t in_a_row) const { return in_a_row > patience_; }
  std::int64_t good() const { return good_; }
  std::int64_t bad() const { return bad_; }

  void reduce() {
    move_to(std::max(rate_ * factor_, floor_));
    bad_ = 0;
    resting_ = cooldown_;
    if (rate_ <= floor_) --left_at_floor_;
  }
  void raise() {
    move_to(std::min(rate_ / factor_, highest_));
    good_ = 0;
    left_at_floor_ = kReductionsAtFloor;
  }
  bool stuck() const { return left_at_floor_ <= 0; }
  void start_anew() {
    rate_ = peak_;
    best_.reset();
    good_ = bad_ = 0;
    left_at_floor_ = kReductionsAtFloor;
  }

 private:
  void move_to(double rate) {
    if (std::abs(rate - rate_) > smallest_change_) rate_ = rate;
  }

  double peak_, floor_, factor_, highest_, smallest_change_, threshold_;
  std::int64_t patience_, cooldown_;
  bool lower_is_better_;
  double rate_;
  std::optional<double> best_;
  std::int64_t good_ = 0, bad_ = 0, resting_ = 0, left_at_floor_ = kReductionsAtFloor;
};

class ReduceOnPlateau : public AdaptiveSchedule {
 public:
  explicit ReduceOnPlateau(const ScheduleOptions& options) : AdaptiveSchedule(options, 0.1, 1e-4) {}

  void observe(double metric) override {
    count(metric, threshold() * best_or(0));  // an evaluation within the rest may still be the best
    if (!rests() && impatient(bad())) reduce();
  }
};

class Greedy : public AdaptiveSchedule {
 public:
  explicit Greedy(const ScheduleOptions& options) : AdaptiveSchedule(options, 0.95, 1e-6) {}

  void observe(double metric) override {
    if (rests()) return;
    count(metric, threshold());
    if (impatient(good()))
      raise();
    else if (impatient(bad()))
      reduce();
    if (stuck()) start_anew();
  }
};

}  // namespace

std::unique_ptr<Schedule> reduce_lr_on_plateau(const ScheduleOptions& options) {
  return std::make_unique<ReduceOnPlateau>(options);
}

std::unique_ptr<Schedule> greedy_schedule(const ScheduleOptions& options) {
  return std::make_unique<Greedy>(options);
}

}  // namespace attune::training
