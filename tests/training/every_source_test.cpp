// A method that reads every model at every kind of position, with numbers that prepare() fixes at each,
// against the same numbers read one sequence at a time with plain tensor operations.
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/training/alone.h"
#include "tests/training/step_fixture.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

using algorithm::Batch;
using algorithm::Need;
using algorithm::Positions;
using algorithm::Source;

constexpr Positions kEverywhere[] = {Positions::kTokens, Positions::kLast, Positions::kStepEnds};
constexpr Source kFrozen[] = {Source::kReference, Source::kOld, Source::kTeacher, Source::kReward,
                              Source::kValue};

/// One key a position: signals of one name are told apart by it.
std::string place(Positions at) {
  return at == Positions::kTokens ? "t" : at == Positions::kLast ? "l" : "s";
}

/// L = Σ over positions of (mean of the policy's own numbers · what prepare() fixed there). Needs have one
/// position for each signal, so three of them make up the whole.
class ReadsEverything final : public algorithm::Method {
 public:
  explicit ReadsEverything(Positions at) : at_(at) {}
  algorithm::MethodInfo info() const override {
    algorithm::MethodInfo info;
    info.name = "reads_everything";
    return info;
  }
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = {{"logps", Source::kPolicy, at_, true}, {"value", Source::kPolicy, at_, true}};
    needs.push_back({.signal = "reference_kl", .source = Source::kPolicy, .at = at_, .gradient = true});
    needs.push_back(
        {.signal = "reference_kl", .source = Source::kPolicy, .at = at_, .against = Source::kTeacher});
    needs.push_back({.signal = "zz_signal", .source = Source::kPolicy, .at = at_, .gradient = true});
    for (const Source source : {Source::kReference, Source::kTeacher})
      needs.push_back({"logps", source, at_});
    needs.push_back({.signal = "logps", .source = Source::kOld, .at = at_, .for_prepare = true});
    needs.push_back({.signal = "value", .source = Source::kOld, .at = at_, .for_prepare = true});
    needs.push_back({"score", Source::kReward, at_});
    needs.push_back({"value", Source::kValue, at_});
    return needs;
  }
  algorithm::Scope scope() const override { return algorithm::Scope::kCandidate; }
  record::GroupShape shape() const override { return record::GroupShape::kGroups; }
  void prepare(Batch& step, algorithm::State& state, algorithm::Metrics&) const override {
    for (const Source source : kFrozen) EXPECT_GT(step.rows(at_), 0) << static_cast<int>(source);
    // Every frozen signal is there, whatever it is read from, and the old policy's as well.
    at::Tensor sum =
        step.signal("ref_logps") + 2 * step.signal("teacher_logps") + 3 * step.signal("old_logps");
    sum = sum + 4 * step.signal("old_value") + 5 * step.signal("value_value");
    sum = sum + (step.signal("reward_score") * at::tensor({6.0, 7.0}, at::kDouble))
                    .sum(1);  // a head with two outputs
    step.fix("weights", at_, sum);
    step.fix("of_candidates", Positions::kLast, at::arange(step.size(), at::kDouble));
    step.fix("of_tokens", Positions::kTokens, at::arange(step.rows(Positions::kTokens), at::kDouble));
    step.fix("of_steps", Positions::kStepEnds, at::arange(step.rows(Positions::kStepEnds), at::kDouble));
    state["seen"] = {static_cast<double>(step.size())};
  }
  algorithm::Loss loss(const Batch& batch, const algorithm::State&) const override {
    const at::Tensor& weights = batch.fixed("weights");
    at::Tensor value = (weights * batch.signal("logps")).sum() +
                       0.5 * (weights * batch.signal("value")).sum() + batch.signal("reference_kl").sum() +
                       batch.signal("zz_signal").sum() + 0 * batch.signal("reference_kl_to_teacher").sum();
    algorithm::Loss loss{value, {}};
    // What was fixed comes back for the candidates at hand, whichever they are.
    loss.metrics["candidates"] = algorithm::Metric::total(batch.fixed("of_candidates").sum().item<double>());
    loss.metrics["tokens"] = algorithm::Metric::total(batch.fixed("of_tokens").sum().item<double>());
    loss.metrics["steps"] = algorithm::Metric::total(batch.fixed("of_steps").sum().item<double>());
    loss.metrics["teacher_kl"] =
        algorithm::Metric::total(batch.signal("reference_kl_to_teacher").sum().item<double>());
    return loss;
  }

 private:
  Positions at_;
};

model::Model with_heads(std::uint64_t seed, std::int64_t scores, bool value) {
  auto model = fixture::tiny_model(seed);
  if (value) model.add_head("value", seed + 100);
  if (scores > 0) model.add_head("score", seed + 200, scores);
  return model;
}

/// Indices within the sequence of the tokens that a position stands for.
std::vector<std::int64_t> tokens_at(const data::PackItem& item, Positions at) {
  if (at == Positions::kLast) return {std::ssize(item.ids) - 1};
  std::vector<std::int64_t> tokens;
  if (at == Positions::kStepEnds) {
    for (const auto end : item.step_ends) tokens.push_back(item.prompt_length + end);
    return tokens;
  }
  for (std::size_t i = 0; i < item.mask.size(); ++i)
    if (item.mask[i] != 0) tokens.push_back(item.prompt_length + static_cast<std::int64_t>(i));
  return tokens;
}

model::AdapterOptions lora(double dropout = 0) {
  model::AdapterOptions options;
  options.type = "lora";
  options.rank = 2;
  options.alpha = 4;
  options.dropout = dropout;
  options.target_modules = {"all-linear"};
  return options;
}

class EverySource : public ::testing::TestWithParam<Positions> {
 protected:
  EverySource()
      : policy_(with_heads(1, 0, true)),
        reference_(fixture::tiny_model(2)),
        teacher_(fixture::tiny_model(3)),
        reward_(with_heads(4, 2, false)),
        value_(with_heads(5, 0, true)) {
    const ReadsEverything method(GetParam());
    rows_ = fixture::random_rows(4, 3, 31);
    auto views = fixture::views(rows_);
    for (auto& row : views) {
      teacher_prompts_.push_back({7, 8, 9});
      teacher_prompts_.back().insert(teacher_prompts_.back().end(), row.prompt.begin(), row.prompt.end());
      for (auto& candidate : row.candidates) {
        const auto length = static_cast<std::int32_t>(candidate.completion.size());
        step_ends_.push_back(length > 2 ? std::vector<std::int32_t>{length / 2, length - 1}
                                        : std::vector<std::int32_t>{length - 1});
      }
    }
    std::size_t next = 0;
    for (std::size_t r = 0; r < views.size(); ++r) {
      views[r].teacher_prompt = teacher_prompts_[r];
      for (auto& candidate : views[r].candidates) candidate.step_ends = step_ends_[next++];
    }
    step_ = assemble_step(views, method, policy_.config(), method.shape());
    policy_.trainable();
  }
  FrozenModels frozen() const { return {&reference_, {}, nullptr, &teacher_, &reward_, &value_}; }

  /// The loss written out: what the double computes, from numbers read alone.
  double expected(double& teacher_kl) const {
    const c10::NoGradGuard no_gradients;
    double loss = 0;
    teacher_kl = 0;
    for (std::size_t i = 0; i < step_.items.size(); ++i) {
      const auto &item = step_.items[i], &seen = step_.teacher_items[i];
      const fixture::Alone policy(policy_, item), reference(reference_, item), teacher(teacher_, seen),
          reward(reward_, item), value(value_, item);
      const std::int64_t shift = seen.prompt_length - item.prompt_length;
      for (const std::int64_t k : tokens_at(item, GetParam())) {
        const std::int32_t id = item.ids[static_cast<std::size_t>(k)];
        const std::int64_t head_row = GetParam() == Positions::kTokens ? k - 1 : k;
        const double logp = policy.logp(k, id);
        const double own_value = policy.head_at(policy_, "value", head_row).item<double>();
        const at::Tensor scores = reward.head_at(reward_, "score", head_row);
        const double weight = reference.logp(k, id) + 2 * teacher.logp(k + shift, id) + 3 * logp +
                              4 * own_value + 5 * value.head_at(value_, "value", head_row).item<double>() +
                              6 * scores[0].item<double>() + 7 * scores[1].item<double>();
        const auto kl = [&](const at::Tensor& other) {
          return (other.exp() * (other - policy.log_p[k - 1])).sum().item<double>();
        };
        loss += weight * logp + 0.5 * weight * own_value + kl(reference.log_p[k - 1]) +
                std::pow(logp - reference.logp(k, id), 2);
        teacher_kl += kl(teacher.log_p[k + shift - 1]);
      }
    }
    return loss;
  }

  model::Model policy_, reference_, teacher_, reward_, value_;
  std::vector<fixture::OwnedRow> rows_;
  std::vector<std::vector<std::int32_t>> teacher_prompts_, step_ends_;
  Step step_;
};

TEST_P(EverySource, EqualsNumbersReadAloneHoweverItIsPacked) {
  const ReadsEverything method(GetParam());
  double teacher_kl = 0;
  const double loss = expected(teacher_kl);
  const auto sum_to = [](std::int64_t n) { return static_cast<double>(n * (n - 1)) / 2; };
  std::optional<fixture::Gradients> first;
  const int threads = at::get_num_threads();
  for (const int team : {1, 2})
    for (const std::int64_t budget : {std::int64_t{1}, std::int64_t{23}, std::int64_t{1} << 20}) {
      at::set_num_threads(team);
      const Engine engine(policy_, frozen(), {.micro_batch_tokens = budget});
      algorithm::State state;
      const auto result = engine.run(step_, method, state);
      EXPECT_NEAR(result.loss, loss, 1e-9 * std::abs(loss)) << budget;
      EXPECT_NEAR(result.metrics.at("teacher_kl").value(), teacher_kl, 1e-9 * teacher_kl);
      EXPECT_EQ(result.metrics.at("candidates").value(), sum_to(step_.size()));
      EXPECT_EQ(result.metrics.at("tokens").value(), sum_to(step_.offsets().back()));
      EXPECT_EQ(result.metrics.at("steps").value(), sum_to(step_.step_offsets().back()));
      EXPECT_EQ(state.at("seen")[0], static_cast<double>(step_.size()));
      const auto gradients = fixture::take_gradients(policy_);
      EXPECT_LT(fixture::distance(first.value_or(gradients), gradients), 1e-9) << budget;
      first = gradients;
    }
  at::set_num_threads(threads);
}

TEST_P(EverySource, AnAdapterIsTrainedAlike) {
  // A fresh adapter changes nothing, so the loss stays; its gradient is that of the whole weights through its
  // factors.
  double teacher_kl = 0;
  const double loss = expected(teacher_kl);
  policy_.add_adapter(lora(), 5);
  policy_.trainable();
  const ReadsEverything method(GetParam());
  std::optional<fixture::Gradients> first;
  for (const std::int64_t budget : {std::int64_t{1}, std::int64_t{1} << 20}) {
    const Engine engine(policy_, frozen(), {.micro_batch_tokens = budget});
    algorithm::State state;
    EXPECT_NEAR(engine.run(step_, method, state).loss, loss, 1e-9 * std::abs(loss));
    const auto gradients = fixture::take_gradients(policy_);
    EXPECT_LT(fixture::distance(first.value_or(gradients), gradients), 1e-9);
    first = gradients;
  }
}

TEST_P(EverySource, DropoutIsTheSameHoweverTheStepIsSplit) {
  policy_.add_adapter(lora(0.3), 5);
  for (auto& parameter : policy_.trainable()) {  // a fresh adapter passes nothing on that could be dropped
    at::Tensor values = parameter.tensor.detach();
    values.add_(at::sin(at::arange(values.numel(), at::kDouble)).view(values.sizes()), 0.2);
  }
  const ReadsEverything method(GetParam());
  step_.number = 3;
  const auto learned = [&](EngineOptions options, std::int64_t parts = 1, std::uint64_t passes = 0) {
    options.seed = 7;
    const Engine engine(policy_, frozen(), options);
    algorithm::State state;
    PreparedStep prepared = engine.prepare(step_, method, state);
    prepared.passes = passes;
    double loss = 0;
    for (const auto& part : group_parts(step_, parts))
      loss += engine.accumulate(prepared, method, state, part, prepared.batch.totals).loss;
    return std::pair(loss, fixture::take_gradients(policy_));
  };
  const auto [loss, gradients] = learned({.micro_batch_tokens = 1 << 20, .adapter_dropout = 0.3});
  const auto expect_same = [&, loss = loss, &gradients = gradients](const auto& other, const char* what) {
    EXPECT_NEAR(other.first, loss, 1e-9 * std::abs(loss)) << what;
    EXPECT_LT(fixture::distance(gradients, other.second), 1e-9) << what;
  };
  const int threads = at::get_num_threads();
  for (const int team : {1, 2})
    for (const std::int64_t budget : {1, 23, 60, 1 << 20}) {
      at::set_num_threads(team);
      expect_same(learned({.micro_batch_tokens = budget, .adapter_dropout = 0.3}), "budgets and threads");
    }
  at::set_num_threads(threads);
  expect_same(learned({.share_prefixes = false, .adapter_dropout = 0.3}), "prefixes");
  expect_same(learned({.adapter_dropout = 0.3}, 4), "a group at a time");
  // What may change it does.
  EXPECT_GT(fixture::distance(gradients, learned({.adapter_dropout = 0.3}, 1, 1).second), 1e-2);
  EXPECT_GT(fixture::distance(gradients, learned({}).second), 1e-2);
  ++step_.number;
  EXPECT_GT(fixture::distance(gradients, learned({.adapter_dropout = 0.3}).second), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Positions, EverySource, ::testing::ValuesIn(kEverywhere),
                         [](const auto& info) { return place(info.param); });

}  // namespace
}  // namespace attune::training
