// Which evaluation of a run is the best so far, and when patience has run out (save_best, early stopping).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::training {

/// @param names of an evaluation's metrics, without "eval_" @throws Error{kRequest} when `metric` is none of them
void require_metric(const std::string& metric, const std::vector<std::string>& names);

/// Judges as transformers does: a metric whose name ends in "loss" should fall, every other should rise. A
/// value that is no number is never an improvement.
class BestEvaluation {
 public:
  /// @param metric without "eval_"; @param patience evaluations without improvement before giving up; 0:
  /// endless
  BestEvaluation(std::string metric, std::int64_t patience)
      : metric_(std::move(metric)), patience_(patience) {}

  /// @throws Error{kRequest} when the evaluation has no such metric; names those that it has
  void require(const core::Json& evaluation) const;
  /// Takes the evaluation after `update` updates into account. True when it is the best so far.
  bool consider(const core::Json& evaluation, std::int64_t update);

  /// The metric in an evaluation; NaN where that is no number.
  double value_in(const core::Json& evaluation) const;
  bool lower_is_better() const { return metric_.ends_with("loss"); }
  bool out_of_patience() const { return patience_ > 0 && misses_ >= patience_; }
  std::int64_t best_update() const { return best_update_; }  ///< -1 before the first improvement
  std::int64_t misses() const { return misses_; }            ///< evaluations since the best one
  const std::string& metric() const { return metric_; }

  core::Json state() const;
  /// @throws core::Json::exception when something is missing
  void restore(const core::Json& state);

 private:
  std::string metric_;
  std::int64_t patience_;
  double best_ = 0;  ///< of the metric, its sign turned where it should fall
  std::int64_t best_update_ = -1, misses_ = 0;
};

}  // namespace attune::training
