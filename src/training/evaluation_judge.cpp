#include "training/evaluation_judge.h"

#include <cmath>

#include "core/error.h"
#include "core/fields.h"

namespace attune::training {

void EvaluationJudge::require(const core::Json& evaluation) const {
  if (evaluation.contains("eval_" + metric_)) return;
  std::vector<std::string> names;
  for (const auto& [name, value] : evaluation.items()) names.push_back(name.substr(5));
  const std::string near = core::nearest(metric_, names);
  core::fail_request("eval.metric: the evaluation has no {}{}; there are: {}", metric_,
                     near.empty() ? "" : ", did you mean " + near + "?", fmt::join(names, ", "));
}

bool EvaluationJudge::consider(const core::Json& evaluation, std::int64_t update) {
  require(evaluation);
  const core::Json& value = evaluation.at("eval_" + metric_);
  const double sign = metric_.ends_with("loss") ? -1 : 1;
  const bool better = value.is_number() && (best_update_ < 0 || sign * value.get<double>() > best_) &&
                      std::isfinite(value.get<double>());
  if (!better) {
    ++misses_;
    return false;
  }
  best_ = sign * value.get<double>();
  best_update_ = update;
  misses_ = 0;
  return true;
}

core::Json EvaluationJudge::state() const {
  return {{"best", best_}, {"best_step", best_update_}, {"bad_evaluations", misses_}};
}

void EvaluationJudge::restore(const core::Json& state) {
  best_ = state.at("best");
  best_update_ = state.at("best_step");
  misses_ = state.at("bad_evaluations");
}

}  // namespace attune::training
