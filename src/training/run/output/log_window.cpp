#include "training/run/output/log_window.h"

#include <algorithm>
#include <limits>

namespace attune::training {
namespace {

/// {"name": [fold, sum, count]}
core::Json to_json(const algorithm::Metrics& metrics) {
  core::Json json = core::Json::object();
  for (const auto& [name, metric] : metrics)
    json[name] = {static_cast<int>(metric.fold), metric.sum, metric.count};
  return json;
}

algorithm::Metrics from_json(const core::Json& json) {
  algorithm::Metrics metrics;
  for (const auto& [name, value] : json.items()) {
    algorithm::Metric metric;
    metric.fold = static_cast<algorithm::Metric::Fold>(value.at(0).get<int>());
    metric.sum = value.at(1).is_null() ? std::numeric_limits<double>::quiet_NaN() : value.at(1).get<double>();
    metric.count = value.at(2);
    metrics[name] = metric;
  }
  return metrics;
}

}  // namespace

void LogWindow::add_update(double loss, double grad_norm, std::int64_t tokens, double seconds) {
  loss_ += loss;
  grad_norm_ += grad_norm;
  tokens_ += tokens;
  seconds_ += seconds;
  ++updates_;
}

core::Json LogWindow::row() const {
  const auto updates = static_cast<double>(std::max<std::int64_t>(updates_, 1));
  core::Json row = {{"loss", loss_ / updates},
                    {"grad_norm", grad_norm_ / updates},
                    {"tokens_per_second", static_cast<double>(tokens_) / std::max(seconds_, 1e-9)},
                    {"step_seconds", seconds_ / updates}};
  for (const auto& [name, metric] : metrics_) row[name] = metric.value();
  return row;
}

core::Json LogWindow::state() const {
  return {{"metrics", to_json(metrics_)}, {"loss", loss_},       {"norm", grad_norm_},
          {"seconds", seconds_},          {"updates", updates_}, {"tokens", tokens_}};
}

void LogWindow::restore(const core::Json& state) {
  metrics_ = from_json(state.at("metrics"));
  loss_ = state.at("loss");
  grad_norm_ = state.at("norm");
  seconds_ = state.at("seconds");
  updates_ = state.at("updates");
  tokens_ = state.at("tokens");
}

}  // namespace attune::training
