// The same loss and gradients however a step is computed: for every method there is.
#include "training/step/engine.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/training/step_fixture.h"
#include "training/options.h"

namespace attune::training {
namespace {

using fixture::distance;
using fixture::Gradients;

constexpr double kRounding = 1e-9;  // float64 throughout

struct Computed {
  double loss;
  Gradients gradients;
  algorithm::Metrics metrics;
};

Computed compute(model::Model& model, const FrozenModels& reference, const Step& step,
                 const algorithm::Method& method, EngineOptions options) {
  Engine engine(model, reference, options);
  algorithm::State state;
  const auto result = engine.run(step, method, state);
  return {result.loss, fixture::take_gradients(model), result.metrics};
}

void expect_same(const Computed& a, const Computed& b, const std::string& what) {
  EXPECT_NEAR(a.loss, b.loss, kRounding * std::max(1.0, std::abs(a.loss))) << what;
  EXPECT_LT(distance(a.gradients, b.gradients), kRounding) << what;
  for (const auto& [name, metric] : a.metrics) {
    const double x = metric.value(), y = b.metrics.at(name).value();
    if (std::isnan(x) && std::isnan(y)) continue;
    EXPECT_NEAR(x, y, 1e-8 * std::max(1.0, std::abs(x))) << what << " " << name;
  }
}

/// A policy that has moved away from its reference, so that ratios and KLs are not trivial.
void disturb(model::Model& model, std::uint64_t seed) {
  std::uint64_t n = 0;
  for (auto& parameter : model.trainable()) {
    at::Tensor values = parameter.tensor.detach();
    double* data = values.data_ptr<double>();
    for (std::int64_t i = 0; i < values.numel(); ++i)
      data[i] += 0.02 * core::normal({.seed = seed, .token = n++});
  }
}

class EveryMethod : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    for (const auto& [name, make] : algorithm::method_entries())
      if (name == GetParam()) method_ = make();
    const auto rows = fixture::random_rows(5, fixture::candidates_for(*method_), 7);
    const auto views = fixture::views(rows);
    model_.emplace(fixture::tiny_model());
    if (scored()) model_->add_head("score", 3);
    start_.emplace(fixture::tiny_model());
    step_ = assemble_step(views, *method_, model_->config(), method_->shape());
  }
  bool scored() const {
    for (const auto& need : method_->needs())
      if (need.signal == "score") return true;
    return false;
  }
  std::unique_ptr<algorithm::Method> method_;
  std::optional<model::Model> model_, start_;
  Step step_;
};

TEST_P(EveryMethod, SplitSharingAndThreadsChangeNothing) {
  disturb(*model_, 11);
  const FrozenModels reference{&*start_};
  const auto whole = compute(*model_, reference, step_, *method_, {.micro_batch_tokens = 1 << 20});
  EXPECT_TRUE(std::isfinite(whole.loss));
  for (const std::int64_t budget : {1, 17, 40})
    expect_same(whole, compute(*model_, reference, step_, *method_, {.micro_batch_tokens = budget}),
                "budget " + std::to_string(budget));
  expect_same(
      whole,
      compute(*model_, reference, step_, *method_, {.micro_batch_tokens = 30, .share_prefixes = false}),
      "unshared");
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 2 : 1);
  expect_same(whole, compute(*model_, reference, step_, *method_, {.micro_batch_tokens = 40}), "threads");
  at::set_num_threads(threads);
}

TEST_P(EveryMethod, AdapterOffIsTheSeparateReference) {
  model_->add_adapter({.type = "lora", .rank = 2, .alpha = 4, .dropout = 0, .target_modules = {"all-linear"}},
                      5);
  disturb(*model_, 13);
  const auto own = compute(*model_, {}, step_, *method_, {.micro_batch_tokens = 40});
  expect_same(own, compute(*model_, {&*start_}, step_, *method_, {.micro_batch_tokens = 40}),
              "separate reference");
}

TEST_P(EveryMethod, CachedReferenceIsTheReference) {
  disturb(*model_, 17);
  bool reads_logps = false;
  for (const auto& need : method_->needs())
    reads_logps |= need.source == algorithm::Source::kReference && need.signal == "logps";
  if (!reads_logps) GTEST_SKIP() << GetParam() << " reads no log-probabilities of a reference";
  const auto live = compute(*model_, {&*start_}, step_, *method_, {});
  step_.known["ref_logps"] = generation::Scorer(*start_, model::Weights::kPolicy, {}).logps(step_.items);
  expect_same(live, compute(*model_, {&*start_}, step_, *method_, {}), "cached");
}

TEST_P(EveryMethod, GradientsAreThoseOfTheLoss) {
  // Central differences of the whole chain — weights, hidden states, signals, method — along one random
  // direction.
  disturb(*model_, 19);
  const auto at_point = compute(*model_, {&*start_}, step_, *method_, {});
  // Without an older sampler `old` is the policy itself, detached: freeze it, or the differences would see it
  // move.
  step_.known["old_logps"] = generation::Scorer(*model_, model::Weights::kPolicy, {}).logps(step_.items);
  const double h = 1e-5;
  double expected = 0;
  std::vector<double> losses;
  for (const double side : {h, -2 * h}) {
    std::uint64_t n = 0;
    for (auto& parameter : model_->trainable()) {
      at::Tensor values = parameter.tensor.detach();
      const at::Tensor gradient = at_point.gradients.at(parameter.name).contiguous();
      for (std::int64_t i = 0; i < values.numel(); ++i) {
        const double direction = core::normal({.seed = 23, .token = n++});
        values.data_ptr<double>()[i] += side * direction;
        if (side == h) expected += direction * gradient.data_ptr<double>()[i];
      }
    }
    Engine engine(*model_, {&*start_}, {});
    algorithm::State state;
    losses.push_back(engine.run(step_, *method_, state, 1, Purpose::kLook).loss);
  }
  if (!method_->info().stopped.empty() || method_->derived() != algorithm::Derived::kNone)
    GTEST_SKIP() << GetParam()
                 << " detaches part of its loss: the derivative of its value is not its gradient";
  EXPECT_NEAR((losses[0] - losses[1]) / (2 * h), expected, 1e-5 * std::max(1.0, std::abs(expected)));
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : algorithm::method_entries()) names.emplace_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, ::testing::ValuesIn(method_names()),
                         [](const auto& info) { return info.param; });

/// A method for the parts of the interface that the shipped ones do not need together: a running mean in the
/// state, fixed by prepare() before the loss.
class RunningBaseline : public algorithm::Method {
 public:
  algorithm::MethodInfo info() const override {
    algorithm::MethodInfo info;
    info.name = "running_baseline";
    return info;
  }
  core::Fields fields() override { return {}; }
  std::vector<algorithm::Need> needs() const override {
    return {{"logps", algorithm::Source::kPolicy, algorithm::Positions::kTokens, true}};
  }
  algorithm::Scope scope() const override { return algorithm::Scope::kCandidate; }
  record::GroupShape shape() const override { return record::GroupShape::kGroups; }
  void prepare(algorithm::Batch& step, algorithm::State& state, algorithm::Metrics&) const override {
    double sum = 0;
    std::vector<double> advantages;
    auto& mean = state["mean"];
    if (mean.empty()) mean = {0};
    for (const auto& candidate : step.candidates)
      advantages.push_back(*candidate.reward - mean[0]), sum += *candidate.reward;
    mean[0] = 0.5 * mean[0] + 0.5 * sum / static_cast<double>(step.size());
    step.fix("advantages", algorithm::Positions::kLast, at::tensor(advantages, at::kDouble));
  }
  algorithm::Loss loss(const algorithm::Batch& batch, const algorithm::State&) const override {
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const auto k = static_cast<std::size_t>(i);
      const auto sum =
          batch.signal("logps").narrow(0, batch.offsets[k], batch.offsets[k + 1] - batch.offsets[k]).sum();
      loss = loss - batch.fixed("advantages")[i] * sum / batch.totals.candidates;
    }
    return {loss, {}};
  }
};

TEST(Engine, StateAndPrepareRunOncePerStepHoweverItIsSplit) {
  RunningBaseline method;
  const auto rows = fixture::random_rows(3, 4, 3);
  const auto views = fixture::views(rows);
  auto model = fixture::tiny_model();
  const Step step = assemble_step(views, method, model.config(), method.shape());
  std::vector<Computed> results;
  std::vector<algorithm::State> states;
  for (const std::int64_t budget : {1, 1 << 20}) {
    Engine engine(model, {}, {.micro_batch_tokens = budget});
    algorithm::State state;
    engine.run(step, method, state);
    fixture::take_gradients(model);
    const auto second = engine.run(step, method, state);  // the baseline has moved
    results.push_back({second.loss, fixture::take_gradients(model), {}});
    states.push_back(state);
  }
  EXPECT_EQ(states[0].at("mean"), states[1].at("mean"));
  // Rewards of rows 0, 2: 1, 1/2, 1/3, 1/4 (mean 25/48); row 1: 1/2, 1/3, 1/4, 1/5 (mean 77/240).
  const double mean = (25.0 / 48 + 77.0 / 240 + 25.0 / 48) / 3;
  EXPECT_NEAR(states[0].at("mean")[0], 0.75 * mean, 1e-12);  // (0 + m) / 2, then (m/2 + m) / 2
  expect_same(results[0], results[1], "state");
}

/// A method of whole steps whose loss means nothing for less.
class WholeStepsOnly final : public RunningBaseline {
 public:
  algorithm::Scope scope() const override { return algorithm::Scope::kStep; }
  bool has_loss_of_group() const override { return false; }
  algorithm::Loss loss(const algorithm::Batch& batch, const algorithm::State& state) const override {
    EXPECT_EQ(batch.size(), 12);
    return RunningBaseline::loss(batch, state);
  }
};

TEST(Engine, AnEvaluationAsksForGroupsWhereTheMethodHasLossesOfThem) {
  const auto rows = fixture::random_rows(3, 4, 3);
  const auto views = fixture::views(rows);
  auto model = fixture::tiny_model();
  const auto evaluated = [&](const algorithm::Method& method) {
    const Step step = assemble_step(views, method, model.config(), method.shape());
    algorithm::State state;
    return Engine(model, {}, {}).run(step, method, state, 1, Purpose::kEvaluate);
  };
  const auto by_group = evaluated(RunningBaseline()), whole = evaluated(WholeStepsOnly());
  ASSERT_EQ(by_group.groups.size(), 3U);
  double sum = 0;
  for (const GroupResult& group : by_group.groups) sum += group.loss;
  EXPECT_NEAR(sum, by_group.loss, 1e-12);
  EXPECT_TRUE(whole.groups.empty());
  EXPECT_NEAR(whole.loss, by_group.loss, 1e-12);
}

TEST(Engine, WeightsOfAMixtureScaleGradients) {
  auto model = fixture::tiny_model();
  const auto pairs = fixture::random_rows(3, 2, 5), texts = fixture::random_rows(4, 1, 6);
  const auto dpo = algorithm::make_method(core::Value::scalar("dpo", false, "test"));
  const auto sft = algorithm::make_method(core::Value::scalar("sft", false, "test"));
  const auto pair_views = fixture::views(pairs), text_views = fixture::views(texts);
  const Step first = assemble_step(pair_views, *dpo, model.config(), dpo->shape());
  const Step second = assemble_step(text_views, *sft, model.config(), sft->shape());
  model.trainable();  // marks what is trained
  Engine engine(model, {&model}, {});
  algorithm::State state;
  engine.run(first, *dpo, state);
  const auto a = fixture::take_gradients(model);
  engine.run(second, *sft, state);
  const auto b = fixture::take_gradients(model);
  engine.run(first, *dpo, state, 0.25);
  engine.run(second, *sft, state, 2);
  const auto both = fixture::take_gradients(model);
  Gradients expected;
  for (const auto& [name, gradient] : a) expected[name] = 0.25 * gradient + 2 * b.at(name);
  EXPECT_LT(distance(expected, both), kRounding);
}

}  // namespace
}  // namespace attune::training
