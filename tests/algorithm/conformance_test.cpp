// What every method must keep, walked over the list of methods: a new method is tested by existing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "report/metric_names.h"
#include "tests/algorithm/steps.h"

namespace attune::algorithm::testing {
namespace {

class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  Conformance() : method_(method(GetParam())) {}
  Batch step(unsigned seed = 1) const { return prepared(*method_, random_step(*method_, seed)); }
  std::unique_ptr<Method> method_;
};

TEST_P(Conformance, HasACard) {
  const MethodInfo info = method_->info();
  EXPECT_EQ(info.name, GetParam());
  for (const std::string& text : {info.title, info.paper, info.formula, info.summary})
    EXPECT_FALSE(text.empty());
  EXPECT_THAT(info.formula, ::testing::HasSubstr("L = "));
  EXPECT_GT(info.learning_rate, 0);
}

TEST_P(Conformance, EveryMetricHasAMeaning) {
  // Shared ones are in report/metric_names.cpp, a method's own on its card.
  const Batch batch = random_step(*method_, 1);
  Batch fixed = batch;
  State state;
  Metrics logged;
  method_->prepare(fixed, state, logged);
  for (const auto& [name, metric] : coefficients_of(*method_, step()).metrics) logged[name] = metric;
  const auto own = method_->info().metrics;
  for (const auto& metric : own) {
    EXPECT_EQ(report::find_metric(metric.name), nullptr) << metric.name << " is described for all methods";
    EXPECT_FALSE(metric.title.empty()) << metric.name;
    EXPECT_TRUE(metric.meaning.ends_with('.')) << metric.name;
    EXPECT_TRUE(logged.contains(metric.name)) << metric.name << " is described and not logged";
  }
  for (const auto& [name, metric] : logged)
    EXPECT_TRUE(report::find_metric(name) != nullptr ||
                std::ranges::find(own, name, &record::MetricMeaning::name) != own.end())
        << name << ": say what it means in info.metrics";
}

TEST_P(Conformance, DefaultOptionsReadBack) {
  const core::Json defaults = method_->fields().to_json();
  core::Json settings = {{"name", GetParam()}};
  settings.update(defaults);
  EXPECT_EQ(make_method(core::Value::from_json(settings, "test"))->fields().to_json().dump(),
            defaults.dump());
  const core::Fields fields = method_->fields();
  for (const core::Field& field : fields.all()) EXPECT_FALSE(field.help().empty()) << field.name();
}

bool is_derived(const Batch& batch, std::int64_t token) {
  const auto row =
      std::upper_bound(batch.offsets.begin(), batch.offsets.end(), token) - batch.offsets.begin() - 1;
  return batch.candidates[row].role == Role::kDerived;
}

TEST_P(Conformance, CoefficientsAreFiniteDifferences) {
  const Batch batch = step();
  const Coefficients found = coefficients_of(*method_, batch);
  ASSERT_TRUE(std::isfinite(found.loss));
  ASSERT_FALSE(found.by_signal.empty());
  constexpr double kStep = 1e-5;
  const auto stopped = method_->info().stopped;
  for (const auto& [key, coefficients] : found.by_signal) {
    // A difference quotient cannot see that a gradient is stopped: worked by hand in
    // worked_examples_test.cpp.
    if (std::ranges::find(stopped, key) != stopped.end()) continue;
    const bool per_token = coefficients.numel() == batch.offsets.back();
    for (std::int64_t i = 0; i < coefficients.numel(); ++i) {
      if (per_token && is_derived(batch, i)) continue;
      const auto loss_at = [&](double by) {
        Batch moved = batch;
        moved.signals[key].numbers = batch.signal(key).clone();
        moved.signals[key].numbers[i] += by;
        return loss_of(*method_, moved);
      };
      const double quotient = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
      EXPECT_NEAR(coefficients[i].item<double>(), -quotient, 1e-6 * std::abs(quotient) + 1e-9)
          << key << "[" << i << "]";
    }
  }
}

TEST_P(Conformance, MicroBatchesAddUp) {
  if (method_->scope() == Scope::kStep) return;  // sees the whole step at once by declaration
  const Batch whole = step(2);
  const Coefficients together = coefficients_of(*method_, whole);
  double loss = 0;
  Metrics metrics;
  std::map<std::string, std::vector<at::Tensor>> parts;
  for (std::int64_t first = 0, last = 0; first < whole.size(); first = last) {
    while (last < whole.size() && whole.candidates[last].group == whole.candidates[first].group) ++last;
    const Coefficients part = coefficients_of(*method_, whole.slice(first, last));
    loss += part.loss;
    for (const auto& [key, values] : part.by_signal) parts[key].push_back(values);
    for (const auto& [name, metric] : part.metrics) {
      if (!metrics.emplace(name, metric).second) metrics[name].add(metric);
    }
  }
  EXPECT_NEAR(loss, together.loss, 1e-12);
  for (const auto& [key, values] : parts) {
    EXPECT_TRUE(at::allclose(at::cat(values), together.by_signal.at(key), 1e-12, 1e-14)) << key;
  }
  for (const auto& [name, metric] : together.metrics)
    EXPECT_NEAR(metrics[name].value(), metric.value(), 1e-12) << name;
}

/// The candidates of `batch` with its groups in reverse order, and where each old row went.
Batch reversed_groups(const Batch& batch, std::vector<std::int64_t>& rows) {
  rows.clear();
  for (std::int64_t last = batch.size(); last > 0;) {
    std::int64_t first = last - 1;
    while (first > 0 && batch.candidates[first - 1].group == batch.candidates[last - 1].group) --first;
    for (std::int64_t i = first; i < last; ++i) rows.push_back(i);
    last = first;
  }
  return batch.select(rows);
}

TEST_P(Conformance, OrderOfGroupsDoesNotMatter) {
  const Batch forward = random_step(*method_, 3);
  std::vector<std::int64_t> rows;
  const Batch backward = reversed_groups(forward, rows);
  const Coefficients one = coefficients_of(*method_, prepared(*method_, forward));
  const Coefficients other = coefficients_of(*method_, prepared(*method_, backward));
  EXPECT_NEAR(one.loss, other.loss, 1e-12);
  for (const auto& [key, values] : one.by_signal) {
    Batch carrier = forward;
    carrier.signals = {{key, {forward.signals.at(key).at, values}}};
    EXPECT_TRUE(
        at::allclose(reversed_groups(carrier, rows).signal(key), other.by_signal.at(key), 1e-12, 1e-14))
        << key;
  }
}

TEST_P(Conformance, DerivedCandidatesGetNoGradient) {
  const Batch batch = step(4);
  const Coefficients found = coefficients_of(*method_, batch);
  for (const auto& [key, values] : found.by_signal) {
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      if (batch.candidates[i].role != Role::kDerived) continue;
      const at::Tensor own = values.slice(0, batch.offsets[i], batch.offsets[i + 1]);
      EXPECT_EQ(own.abs().max().item<double>(), 0) << key << " of candidate " << i;
    }
  }
}

TEST_P(Conformance, WhatIsNotNeededIsNotRead) {
  const Batch batch = step(5);
  Batch more = batch;
  for (const std::string key : {"ref_logps", "old_logps", "teacher_logps", "ref_score"}) {
    if (!batch.has(key)) more.signals[key] = per_token(at::full({batch.offsets.back()}, 123.0, at::kDouble));
  }
  Batch fewer = batch;
  for (const Need& need : method_->needs()) {
    if (need.optional) fewer.signals.erase(need.key());
  }
  const double loss = loss_of(*method_, batch);
  EXPECT_EQ(loss_of(*method_, more), loss);
  EXPECT_EQ(loss_of(*method_, fewer), loss);
}

TEST_P(Conformance, WeightsScaleCoefficients) {
  if (GetParam().starts_with("aot")) return;  // sorted terms belong to no single pair
  const Batch batch = step(6);
  Batch heavy = batch;
  for (Candidate& candidate : heavy.candidates) candidate.weight *= 3;
  const Coefficients one = coefficients_of(*method_, batch), three = coefficients_of(*method_, heavy);
  EXPECT_NEAR(three.loss, 3 * one.loss, 1e-10 * (1 + std::abs(three.loss)));
  for (const auto& [key, values] : one.by_signal) {
    EXPECT_TRUE(at::allclose(three.by_signal.at(key), 3 * values, 1e-10, 1e-12)) << key;
  }
}

TEST_P(Conformance, ExtremeNumbersStayFinite) {
  Batch batch = random_step(*method_, 7);
  if (batch.has("logps") && GetParam() != "discopop") {  // discopop has e^-u by design
    at::Tensor& logps = batch.signals["logps"].numbers;
    logps = logps * 1.5 - 1e-3;
    logps[0] = -400.0;
    if (batch.has("old_logps")) batch.signals["old_logps"].numbers[0] = -400.5;
    if (batch.has("ref_logps")) batch.signals["ref_logps"].numbers[0] = -399.0;
  }
  const Coefficients found = coefficients_of(*method_, prepared(*method_, batch));
  EXPECT_TRUE(std::isfinite(found.loss));
  for (const auto& [key, values] : found.by_signal) EXPECT_TRUE(values.isfinite().all().item<bool>()) << key;
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const auto& [name, create] : method_entries()) result.emplace_back(name);
  return result;
}

INSTANTIATE_TEST_SUITE_P(Methods, Conformance, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace attune::algorithm::testing
