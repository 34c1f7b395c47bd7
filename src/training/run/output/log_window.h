// What has been measured since the last line of metrics.jsonl.
#pragma once

#include <cstdint>
#include <string>

#include "algorithm/method.h"
#include "core/json.h"

namespace attune::training {

class LogWindow {
 public:
  void add(const std::string& name, const algorithm::Metric& metric) {
    algorithm::fold(metrics_, name, metric);
  }
  void add_update(double loss, double grad_norm, std::int64_t tokens, double seconds);

  /// {"loss", "grad_norm", "tokens_per_second", "step_seconds", metrics…}: means over the updates of the
  /// window.
  core::Json row() const;
  void clear() { *this = LogWindow(); }

  core::Json state() const;
  /// @throws core::Json::exception when something is missing
  void restore(const core::Json& state);

 private:
  algorithm::Metrics metrics_;
  double loss_ = 0, grad_norm_ = 0, seconds_ = 0;
  std::int64_t updates_ = 0, tokens_ = 0;
};

}  // namespace attune::training
