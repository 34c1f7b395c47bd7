// Random steps for any method, and the numbers that tests take from them.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/config/value.h"

namespace attune::algorithm::testing {

inline std::unique_ptr<Method> method(const std::string& yaml) {
  return make_method(core::parse_yaml(yaml, "test"));
}

/// A step of `groups` groups as the method wants them, with a signal for every need, optional ones included.
inline Batch random_step(const Method& method, unsigned seed, int groups = 3) {
  std::mt19937 random(seed);
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution(low, high)(random);
  };
  const bool pairs = method.shape() == GroupShape::kPairs;
  const bool ranked = pairs || method.shape() == GroupShape::kLists;
  const int members = pairs ? 2 : (ranked || method.shape() == GroupShape::kGroups ? 4 : 1);
  Batch step;
  step.offsets = {0};
  const bool in_steps = method.shape() == GroupShape::kSteps;
  if (in_steps) step.step_offsets = {0};
  const auto add = [&](Candidate candidate) {
    if (in_steps) {
      candidate.step_scores.resize(static_cast<std::size_t>(uniform(1, 4)));
      for (double& score : candidate.step_scores) score = uniform(0, 1);
      step.step_offsets.push_back(step.step_offsets.back() + std::ssize(candidate.step_scores));
    }
    step.candidates.push_back(std::move(candidate));
    step.offsets.push_back(step.offsets.back() + static_cast<std::int64_t>(uniform(1, 6)));
  };
  for (int group = 0; group < groups; ++group) {
    for (int member = 0; member < members; ++member) {
      Candidate candidate;
      candidate.group = group;
      candidate.rank = member;
      candidate.label = (group + member) % 2 == 0;
      candidate.reward = uniform(-1, 2) - (ranked ? 3.5 * member : 0);
      candidate.weight = pairs ? 1 + 0.25 * group : uniform(0.5, 2);
      candidate.margin = uniform(0, 0.5);
      if (method.shape() == GroupShape::kGroups && member == 3) candidate.source = "greedy";  // for ReMax
      if (pairs) candidate.role = member == 0 ? Role::kChosen : Role::kRejected;
      add(candidate);
      if (pairs && member == 1)
        step.pairs.push_back({step.candidates.size() - 2, step.candidates.size() - 1, 1});
      if (method.derived() == Derived::kNone) continue;
      candidate.role = Role::kDerived;
      add(candidate);
    }
  }
  step.totals = totals_of(step.offsets, step.candidates);
  for (const Need& need : method.needs()) {
    const std::int64_t size = step.rows(need.at);
    std::vector<double> values;
    for (std::int64_t i = 0; i < size; ++i)
      values.push_back(need.signal == "logps" ? uniform(-3, -0.1) : uniform(0, 1));
    step.signals[need.key()] = {need.at, at::tensor(values, at::kDouble)};
  }
  return step;
}

/// The step after prepare(), as an engine would hold it.
inline Batch prepared(const Method& method, Batch step) {
  State state;
  Metrics metrics;
  method.prepare(step, state, metrics);
  return step;
}

inline double loss_of(const Method& method, const Batch& batch) {
  return method.loss(batch, {}).value.item<double>();
}

inline Coefficients coefficients_of(const Method& method, const Batch& batch) {
  return differentiate(method, batch, {});
}

/// Whether two methods have one loss and one set of coefficients on a step.
inline void expect_same(const std::string& one, const std::string& other, const Batch& batch) {
  const auto a = method(one), b = method(other);
  const Coefficients left = coefficients_of(*a, prepared(*a, batch)),
                     right = coefficients_of(*b, prepared(*b, batch));
  EXPECT_NEAR(left.loss, right.loss, 1e-12) << one << " | " << other;
  EXPECT_TRUE(at::allclose(left.by_signal.at("logps"), right.by_signal.at("logps"), 1e-12, 1e-13))
      << one << " | " << other;
}

inline std::vector<double> list(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

inline Signal per_token(at::Tensor numbers) { return {Positions::kTokens, std::move(numbers)}; }

/// A batch of two sequences that form one pair, from plain numbers.
inline Batch one_pair(const std::vector<double>& chosen, const std::vector<double>& chosen_ref,
                      const std::vector<double>& rejected, const std::vector<double>& rejected_ref) {
  Batch batch;
  batch.offsets = {0, static_cast<std::int64_t>(chosen.size()),
                   static_cast<std::int64_t>(chosen.size() + rejected.size())};
  batch.candidates.resize(2);
  batch.candidates[0].role = Role::kChosen;
  batch.candidates[1].role = Role::kRejected;
  batch.pairs = {{0, 1, 1}};
  batch.totals = totals_of(batch.offsets, batch.candidates);
  batch.signals["logps"] =
      per_token(at::cat({at::tensor(chosen, at::kDouble), at::tensor(rejected, at::kDouble)}));
  batch.signals["ref_logps"] =
      per_token(at::cat({at::tensor(chosen_ref, at::kDouble), at::tensor(rejected_ref, at::kDouble)}));
  return batch;
}

}  // namespace attune::algorithm::testing
