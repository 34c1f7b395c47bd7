#include "model/signal.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support.h"

namespace attune::model {
namespace {

struct Scene {
  SignalModel policy, reference;
  Readout readout;
};

Scene scene(std::int64_t vocabulary, double temperature, double softcap) {
  at::manual_seed(4);
  const auto make = [&](std::int64_t tokens) {
    SignalModel out;
    out.hidden = at::randn({tokens, 6}, at::kDouble);
    out.head = {at::randn({vocabulary, 6}, at::kDouble), at::randn({vocabulary}, at::kDouble), softcap};
    out.score = {at::randn({1, 6}, at::kDouble), {}, 0};
    out.temperature = temperature;
    return out;
  };
  // rows repeat: siblings share their prompt's last position
  return {make(7),
          make(7),
          {at::tensor({0, 3, 3, 3, 6, 1}, at::kLong), at::tensor({1, 0, 4, 4, 2, 3}, at::kLong)}};
}

/// From the definitions, with log_softmax.
std::map<std::string, at::Tensor> definitions(const Scene& s) {
  const auto logits = [&](const SignalModel& model) {
    at::Tensor z = at::linear(model.hidden, model.head.weight, model.head.bias);
    if (model.head.softcap > 0) z = at::tanh(z / model.head.softcap) * model.head.softcap;
    return (z / model.temperature).index_select(0, s.readout.rows);
  };
  const at::Tensor policy = at::log_softmax(logits(s.policy), 1);
  const at::Tensor reference = at::log_softmax(logits(s.reference), 1);
  const at::Tensor chosen = policy.gather(1, s.readout.targets.unsqueeze(1)).squeeze(1);
  return {{"logps", chosen},
          {"entropy", -(policy.exp() * policy).sum(1)},
          {"mean_logit", logits(s.policy).mean(1)},
          {"argmax_hit", policy.argmax(1).eq(s.readout.targets).to(at::kDouble)},
          {"reference_kl", (reference.exp() * (reference - policy)).sum(1)},
          {"wpo_weight", chosen - (policy * 2).exp().sum(1).log()},
          {"score",
           at::linear(s.policy.hidden, s.policy.score.weight).squeeze(1).index_select(0, s.readout.rows)}};
}

const std::vector<std::string> kAll = {"logps",        "entropy",    "argmax_hit", "mean_logit",
                                       "reference_kl", "wpo_weight", "score"};

class SignalTest : public ::testing::TestWithParam<std::tuple<double, double>> {};

TEST_P(SignalTest, EqualTheirDefinitions) {
  const Scene s = scene(5, std::get<0>(GetParam()), std::get<1>(GetParam()));
  const auto read = read_signals(s.policy, s.readout, kAll, &s.reference);
  for (const auto& [name, expected] : definitions(s))
    EXPECT_LT((read.at(name) - expected).abs().max().item<double>(), 1e-12) << name;
}

TEST_P(SignalTest, GradientsEqualFiniteDifferences) {
  Scene s = scene(5, std::get<0>(GetParam()), std::get<1>(GetParam()));
  std::map<std::string, at::Tensor> upstream;
  for (const auto* name : {"logps", "entropy", "reference_kl", "score"})
    upstream[name] = at::randn({6}, at::kDouble);
  for (auto* tensor : {&s.policy.head.weight, &s.policy.head.bias, &s.policy.score.weight})
    tensor->set_requires_grad(true);
  const at::Tensor d_hidden = backward_signals(s.policy, s.readout, upstream, &s.reference);
  const auto loss = [&] {
    double sum = 0;
    for (const auto& [name, values] : definitions(s))
      if (upstream.contains(name)) sum += (values * upstream.at(name)).sum().item<double>();
    return sum;
  };
  const auto check = [&](const at::Tensor& tensor, const at::Tensor& gradient) {
    double* data = at::Tensor(tensor.detach()).mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      const double kept = data[i], step = 1e-5;
      data[i] = kept + step;
      const double up = loss();
      data[i] = kept - step;
      const double down = loss();
      data[i] = kept;
      ASSERT_NEAR(gradient.flatten()[i].item<double>(), (up - down) / (2 * step), 1e-7);
    }
  };
  check(s.policy.hidden, d_hidden);
  check(s.policy.head.weight, s.policy.head.weight.grad());
  check(s.policy.head.bias, s.policy.head.bias.grad());
  check(s.policy.score.weight, s.policy.score.weight.grad());
}

INSTANTIATE_TEST_SUITE_P(TemperatureAndSoftcap, SignalTest,
                         ::testing::Combine(::testing::Values(1.0, 0.6), ::testing::Values(0.0, 2.0)));

TEST(Signals, GradientsAddToWhatIsThereAndSkipFrozenWeights) {
  Scene s = scene(5, 1, 0);
  const std::map<std::string, at::Tensor> upstream = {{"logps", at::ones({6}, at::kDouble)}};
  backward_signals(s.policy, s.readout, upstream);
  EXPECT_FALSE(s.policy.head.weight.grad().defined());
  s.policy.head.weight.set_requires_grad(true);
  backward_signals(s.policy, s.readout, upstream);
  const at::Tensor once = s.policy.head.weight.grad().clone();
  backward_signals(s.policy, s.readout, upstream);
  EXPECT_TRUE(at::allclose(s.policy.head.weight.grad(), once * 2));
}

TEST(Signals, ChunksDoNotChangeTheResult) {
  // a vocabulary of 200 000 makes chunks of 64 rows; 150 rows need three
  at::manual_seed(5);
  SignalModel model;
  model.hidden = at::randn({150, 4});
  model.head = {at::randn({200'000, 4}), {}, 0};
  const Readout readout{at::arange(150), at::randint(0, 200'000, {150}, at::kLong)};
  const at::Tensor read = read_signals(model, readout, {"logps"}).at("logps");
  const at::Tensor expected = at::log_softmax(at::linear(model.hidden, model.head.weight), 1)
                                  .gather(1, readout.targets.unsqueeze(1))
                                  .squeeze(1);
  EXPECT_LT((read - expected).abs().max().item<double>(), 3e-5);
}

TEST(Signals, PeakMemoryDoesNotGrowWithVocabularyTimesTokens) {
  // V = 150 000, T = 8 192: the logits alone would be 4.9 GB; a chunk of 64 rows is 38 MB.
  const std::int64_t vocabulary = 150'000;
  const auto peak = [&](std::int64_t tokens) {
    SignalModel model;
    model.hidden = at::randn({tokens, 4});
    model.head = {at::randn({vocabulary, 4}).set_requires_grad(true), {}, 0};
    const Readout readout{at::arange(tokens), at::randint(0, vocabulary, {tokens}, at::kLong)};
    const std::map<std::string, at::Tensor> upstream = {{"logps", at::ones({tokens})}};
    std::size_t bytes = 0;
    {
      const test::CountingAllocator counting;
      read_signals(model, readout, {"logps"});
      backward_signals(model, readout, upstream);
      bytes = counting.peak();
      model.head.weight.mutable_grad().reset();
    }
    return bytes;
  };
  const std::size_t few = peak(128), many = peak(8192);
  EXPECT_LT(many, few + (std::size_t{1} << 20));
  EXPECT_LT(many, std::size_t{200} << 20);
}

TEST(Signals, KnowTheirNames) {
  for (const auto& [name, make] : signal_entries()) {
    EXPECT_EQ(make()->name(), name);
    EXPECT_FALSE(make()->summary().empty());
  }
}

}  // namespace
}  // namespace attune::model
