#include "model/signal.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support.h"

namespace attune::model {
namespace {

struct Scene {
  SignalModel policy;
  Other other;  ///< another stream: more tokens, other rows
  Readout readout;
};

Scene scene(std::int64_t vocabulary, double temperature, double softcap) {
  at::manual_seed(4);
  const auto make = [&](std::int64_t tokens) {
    SignalModel out;
    out.hidden = at::randn({tokens, 6}, at::kDouble);
    out.head = {at::randn({vocabulary, 6}, at::kDouble), at::randn({vocabulary}, at::kDouble), softcap};
    out.heads["score"] = {at::randn({3, 6}, at::kDouble), {}, 0};
    out.heads["value"] = {at::randn({1, 6}, at::kDouble), at::randn({1}, at::kDouble), 0};
    out.temperature = temperature;
    return out;
  };
  // rows repeat: siblings share their prompt's last position
  return {make(7),
          {make(11), at::tensor({10, 4, 4, 0, 7, 2}, at::kLong)},
          {at::tensor({0, 3, 3, 3, 6, 1}, at::kLong), at::tensor({1, 0, 4, 4, 2, 3}, at::kLong)}};
}

/// The entropy among at most 20 tokens, from the definition.
at::Tensor top_entropy(const at::Tensor& log_p) {
  const at::Tensor p = std::get<0>(log_p.exp().sort(1, true)).slice(1, 0, 20), share = p / p.sum(1, true);
  return -(share * share.log()).sum(1);
}

/// −log σ(z_k − z_target) in the mean over the five likeliest other tokens, row by row.
at::Tensor top_contrast(const at::Tensor& z, const at::Tensor& targets) {
  std::vector<at::Tensor> rows;
  for (std::int64_t r = 0; r < z.size(0); ++r) {
    const auto target = targets[r].item<std::int64_t>();
    const at::Tensor others = at::cat({z[r].slice(0, 0, target), z[r].slice(0, target + 1)});
    const at::Tensor best = std::get<0>(others.sort(0, true)).slice(0, 0, 5);
    rows.push_back((best.detach().softmax(0) * (1 + (z[r][target] - best).exp()).log()).sum());
  }
  return at::stack(rows);
}

/// From the definitions, with log_softmax.
std::map<std::string, at::Tensor> definitions(const Scene& s) {
  const auto logits = [](const SignalModel& model, const at::Tensor& rows) {
    at::Tensor z = at::linear(model.hidden, model.head.weight, model.head.bias);
    if (model.head.softcap > 0) z = at::tanh(z / model.head.softcap) * model.head.softcap;
    return (z / model.temperature).index_select(0, rows);
  };
  const at::Tensor z = logits(s.policy, s.readout.rows), policy = at::log_softmax(z, 1);
  const at::Tensor reference = at::log_softmax(logits(s.other.model, s.other.rows), 1);
  const at::Tensor rows = s.policy.hidden.index_select(0, s.readout.rows);
  const at::Tensor chosen = policy.gather(1, s.readout.targets.unsqueeze(1)).squeeze(1);
  return {{"logps", chosen},
          {"entropy", -(policy.exp() * policy).sum(1)},
          {"mean_logit", z.mean(1)},
          {"argmax_hit", policy.argmax(1).eq(s.readout.targets).to(at::kDouble)},
          {"entropy_share", -(policy.exp() * policy).sum(1) / std::log(static_cast<double>(policy.size(1)))},
          {"top_entropy", top_entropy(policy)},
          {"top_logps", std::get<0>(policy.max(1))},
          {"top_contrast", top_contrast(z, s.readout.targets)},
          {"reference_kl", (reference.exp() * (reference - policy)).sum(1)},
          {"zz_signal", (chosen - reference.gather(1, s.readout.targets.unsqueeze(1)).squeeze(1)).square()},
          {"wpo_weight", chosen - (policy * 2).exp().sum(1).log()},
          {"score", at::linear(rows, s.policy.heads.at("score").weight)},
          {"value", at::mv(rows, s.policy.heads.at("value").weight[0]) + s.policy.heads.at("value").bias}};
}

const std::vector<std::string> kAll = {
    "logps", "entropy",       "argmax_hit",  "mean_logit", "reference_kl", "wpo_weight",  "score",
    "value", "entropy_share", "top_entropy", "top_logps",  "zz_signal",    "top_contrast"};

class SignalTest : public ::testing::TestWithParam<std::tuple<double, double>> {};

TEST_P(SignalTest, EqualTheirDefinitions) {
  const Scene s = scene(5, std::get<0>(GetParam()), std::get<1>(GetParam()));
  const auto read = read_signals(s.policy, s.readout, kAll, &s.other);
  ASSERT_EQ(read.size(), signal_entries().size());
  for (const auto& [name, expected] : definitions(s)) {
    ASSERT_EQ(read.at(name).sizes(), expected.sizes()) << name;
    EXPECT_LT((read.at(name) - expected).abs().max().item<double>(), 1e-12) << name;
  }
}

TEST_P(SignalTest, GradientsEqualFiniteDifferences) {
  Scene s = scene(5, std::get<0>(GetParam()), std::get<1>(GetParam()));
  std::map<std::string, at::Tensor> upstream;
  for (const auto* name : {"logps", "entropy", "reference_kl", "value", "top_logps", "zz_signal"})
    upstream[name] = at::randn({6}, at::kDouble);
  upstream["score"] = at::randn({6, 3}, at::kDouble);
  Head &score = s.policy.heads["score"], &value = s.policy.heads["value"];
  for (const auto* tensor :
       {&s.policy.head.weight, &s.policy.head.bias, &score.weight, &value.weight, &value.bias})
    tensor->set_requires_grad(true);
  s.other.model.head.weight.set_requires_grad(true);
  const at::Tensor d_hidden = backward_signals(s.policy, s.readout, upstream, &s.other);
  EXPECT_FALSE(s.other.model.head.weight.grad().defined());
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
  for (auto* tensor : {&score.weight, &value.weight, &value.bias}) check(*tensor, tensor->grad());
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

TEST(Signals, ContrastTakesForGivenHowRivalsAreDrawn) {
  // Among nine tokens a target is one of the six likeliest or is not; autograd differentiates the definition, whose
  // shares are constants.
  const at::AutoGradMode recording(true);
  Scene s = scene(9, 0.8, 0);
  const at::Tensor upstream = at::randn({6}, at::kDouble);
  const at::Tensor found = backward_signals(s.policy, s.readout, {{"top_contrast", upstream}});
  const at::Tensor hidden = s.policy.hidden.detach().clone().set_requires_grad(true);
  const at::Tensor z = at::linear(hidden, s.policy.head.weight, s.policy.head.bias) / s.policy.temperature;
  const at::Tensor defined = top_contrast(z.index_select(0, s.readout.rows), s.readout.targets);
  const at::Tensor read = read_signals(s.policy, s.readout, {"top_contrast"}).at("top_contrast");
  EXPECT_TRUE(at::allclose(read, defined.detach(), 1e-12, 1e-12));
  (defined * upstream).sum().backward();
  EXPECT_TRUE(at::allclose(found, hidden.grad(), 1e-10, 1e-12));
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
  // V = 150 000, T = 1 024: the logits alone would be 614 MB; a chunk of 64 rows is 38 MB. 130 bytes a token are allowed.
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
  const std::size_t few = peak(128), many = peak(1024);
  EXPECT_LT(many, few + 130 * (1024 - 128));
  EXPECT_LT(many, std::size_t{200} << 20);
}

TEST(Signals, NameAHeadThatIsNotThere) {
  const auto message = [](const SignalModel& model, const std::string& signal, const Other* other) {
    const at::Tensor zero = at::zeros({1}, at::kLong);
    return test::message_of([&] { read_signals(model, {zero, zero}, {signal}, other); });
  };
  SignalModel model{.hidden = at::ones({1, 2})};
  EXPECT_THAT(message(model, "value", nullptr), ::testing::HasSubstr("v_head.summary.weight"));
  EXPECT_THAT(message(model, "logps", nullptr), ::testing::HasSubstr("no language-model head"));
  model.head.weight = at::ones({4, 2});
  Other other{model, at::tensor({0}, at::kLong)};
  other.model.head.weight = at::ones({5, 2});
  EXPECT_THAT(message(model, "reference_kl", &other),
              ::testing::HasSubstr("vocabulary of 5 tokens and this one 4"));
}

TEST(Signals, KnowTheirNames) {
  for (const auto& [name, make] : signal_entries()) {
    EXPECT_EQ(make()->name(), name);
    EXPECT_FALSE(make()->summary().empty());
  }
}

}  // namespace
}  // namespace attune::model
