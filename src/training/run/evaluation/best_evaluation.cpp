#include "training/run/evaluation/best_evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/config/fields.h"
#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::training {

void require_metric(const std::string& metric, const std::vector<std::string>& names) {
  if (std::ranges::find(names, metric) == names.end())
    core::fail_request("eval.metric: the evaluation has no {}{}", metric, core::did_you_mean(metric, names));
}

void BestEvaluation::require(const core::Json& evaluation) const {
  std::vector<std::string> names;
  for (const auto& [name, value] : evaluation.items()) names.push_back(name.substr(5));
  require_metric(metric_, names);
}

double BestEvaluation::value_in(const core::Json& evaluation) const {
  require(evaluation);
  const core::Json& value = evaluation.at("eval_" + metric_);
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

bool BestEvaluation::consider(const core::Json& evaluation, std::int64_t update) {
  const double value = (lower_is_better() ? -1 : 1) * value_in(evaluation);
  if (!std::isfinite(value) || (best_update_ >= 0 && value <= best_)) {
    ++misses_;
    return false;
  }
  best_ = value;
  best_update_ = update;
  misses_ = 0;
  return true;
}

core::Json BestEvaluation::state() const {
  return {{"best", best_}, {"best_step", best_update_}, {"bad_evaluations", misses_}};
}

void BestEvaluation::restore(const core::Json& state) {
  best_ = state.at("best");
  best_update_ = state.at("best_step");
  misses_ = state.at("bad_evaluations");
}

}  // namespace attune::training
