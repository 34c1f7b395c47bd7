// A model's log-probabilities on packed cases, and their gradients against finite differences.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/signal.h"
#include "support.h"

namespace attune::model::test {

/// Rows that predict every later token of every sequence.
inline Readout readout_of(const Case& one, const core::Forest& forest) {
  std::vector<std::int64_t> rows, targets;
  for (std::size_t s = 0; s < one.sequences.size(); ++s) {
    const auto stream = forest.stream_indices(s);
    for (std::size_t t = 1; t < stream.size(); ++t)
      rows.push_back(stream[t - 1]), targets.push_back(one.sequences[s][t]);
  }
  return {at::tensor(rows, at::kLong), at::tensor(targets, at::kLong)};
}

/// Larger weights than a fresh model's, so that every part of it matters.
inline Model sharp_model(const core::Json& config, std::uint64_t seed = 3) {
  Model model = Model::random(config, seed, "float64");
  for (auto& parameter : model.trainable())
    at::Tensor(parameter.tensor.detach()).mul_(parameter.decay ? 10 : 1).add_(0.01);
  return model;
}

inline double weighted_logps(Model& model, const Case& one, bool share) {
  const c10::NoGradGuard no_grad;
  const auto forest = one.forest(share);
  const Readout readout = readout_of(one, forest);
  const auto logps =
      read_signals({.hidden = model.hidden(forest), .head = model.head()}, readout, {"logps"}).at("logps");
  return (logps * at::arange(logps.size(0), at::kDouble).cos()).sum().item<double>();
}

/// Leaves the gradients of this case alone in the parameters.
inline void backward(Model& model, const Case& one, bool share) {
  for (auto& parameter : model.trainable()) at::Tensor(parameter.tensor).mutable_grad() = at::Tensor();
  const auto forest = one.forest(share);
  const Readout readout = readout_of(one, forest);
  const at::Tensor hidden = model.hidden(forest);
  const at::Tensor upstream = at::arange(readout.rows.size(0), at::kDouble).cos();
  hidden.backward(backward_signals({.hidden = hidden, .head = model.head()}, readout, {{"logps", upstream}}));
}

/// d/dh of weighted_logps along `directions`, by the five-point rule, on the unshared path.
inline double slope(Model& model, const Case& one, const std::vector<at::Tensor>& values,
                    const std::vector<at::Tensor>& directions) {
  const double step = 1e-5;
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < values.size(); ++i) at::Tensor(values[i].detach()).add_(directions[i], by);
    const double out = weighted_logps(model, one, false);
    for (std::size_t i = 0; i < values.size(); ++i) at::Tensor(values[i].detach()).sub_(directions[i], by);
    return out;
  };
  return (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
}

/// Gradients against differences: every tensor alone when `each`, else all of them along two random
/// directions.
inline void check_gradients(Model& model, const Case& one, bool each, const std::string& what) {
  std::vector<at::Tensor> values, gradients;
  std::vector<std::string> names;
  const auto parameters = model.trainable();
  backward(model, one, true);
  for (const auto& p : parameters) {
    values.push_back(p.tensor);
    gradients.push_back(p.tensor.grad().defined() ? p.tensor.grad() : at::zeros_like(p.tensor).detach());
  }
  at::manual_seed(6);
  const auto compare = [&](const std::vector<std::size_t>& chosen, const std::string& name) {
    std::vector<at::Tensor> moved, directions;
    double analytic = 0;
    for (const auto i : chosen) {
      moved.push_back(values[i]);
      directions.push_back(at::randn_like(values[i]).detach());
      analytic += (gradients[i] * directions.back()).sum().item<double>();
    }
    const double numeric = slope(model, one, moved, directions);
    EXPECT_NEAR(analytic, numeric, 1e-6 * (1 + std::abs(numeric)))
        << what << ", " << one.name << ", " << name;
  };
  std::vector<std::size_t> all(values.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  compare(all, "all");
  compare(all, "all");
  if (each)
    for (const auto i : all) compare({i}, parameters[i].name);
}

}  // namespace attune::model::test
