// A tap that is given to the engine, a scorer or a lane acts in training, scoring and decoding alike.
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "generation/session/session.h"
#include "model/tap.h"
#include "tests/tolerance.h"
#include "tests/training/step_fixture.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

/// Adds a vector to what the MLP of layer 1 gives.
class AddsAVector final : public model::Tap {
 public:
  explicit AddsAVector(at::Tensor vector) : vector_(std::move(vector)) {}
  void at(model::Site site, std::int64_t layer, at::Tensor& x) override {
    if (site == model::Site::kMlpOutput && layer == 1) x = x + vector_;
  }

 private:
  at::Tensor vector_;
};

model::Model model_with_biases() {
  core::Json config = fixture::tiny_config();
  config["mlp_bias"] = true;
  return model::Model::random(config, 1, "float64");
}

/// A model that is tapped, and the same one with the vector in the bias of the same place.
class Tapped : public ::testing::Test {
 protected:
  Tapped() : model_(model_with_biases()), biased_(model_with_biases()) {
    const c10::NoGradGuard no_gradients;
    biased_.weights().layers[1].down.bias.add_(vector_);
  }
  Step step_of(const algorithm::Method& method) const {
    return assemble_step(fixture::views(rows_), method, model_.config(), method.shape());
  }
  static std::unique_ptr<algorithm::Method> method(const std::string& name) {
    return algorithm::make_method(core::Value::scalar(name, false, "test"));
  }
  /// Every number, one after another.
  static std::vector<double> flat(const std::vector<std::vector<double>>& lists) {
    std::vector<double> all;
    for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
    return all;
  }
  static double furthest(const std::vector<double>& a, const std::vector<double>& b) {
    EXPECT_EQ(a.size(), b.size());
    double difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) difference = std::max(difference, std::abs(a[i] - b[i]));
    return difference;
  }

  at::Tensor vector_ = at::sin(at::arange(16, at::kDouble)) * 3;
  AddsAVector tap_{vector_};
  model::Model model_, biased_;
  std::vector<fixture::OwnedRow> rows_ = fixture::random_rows(4, 4, 31);
};

TEST_F(Tapped, TrainsAsTheModelWithTheVectorInItsBias) {
  const auto dpo = method("dpo"), kto = method("kto");
  const auto start = model_with_biases();
  model_.trainable();
  biased_.trainable();
  for (const auto* each : {dpo.get(), kto.get()}) {
    const Step step = step_of(*each);
    const auto learned = [&](model::Model& policy, model::Tap* tap) {
      algorithm::State state;
      const auto result =
          Engine(policy, {&start}, {.micro_batch_tokens = 40, .tap = tap}).run(step, *each, state);
      return std::pair(result.loss, fixture::take_gradients(policy));
    };
    const auto expected = learned(biased_, nullptr), tapped = learned(model_, &tap_),
               plain = learned(model_, nullptr);
    EXPECT_NEAR(tapped.first, expected.first, 1e-12);
    EXPECT_LT(fixture::distance(expected.second, tapped.second), 1e-10);
    EXPECT_GT(fixture::distance(expected.second, plain.second), 1e-2);
  }
}

TEST_F(Tapped, TheOldPolicyIsTappedAndTheStartIsNot) {
  model_.add_adapter({.type = "lora", .rank = 2, .alpha = 4, .dropout = 0, .target_modules = {"all-linear"}},
                     5);
  const auto grpo = algorithm::make_method(core::parse_yaml("{name: grpo, beta: 0.1}", "test"));
  const auto prepared = [&](model::Model& policy, model::Tap* tap) {
    algorithm::State state;
    return Engine(policy, {}, {.tap = tap}).prepare(step_of(*grpo), *grpo, state, 2).batch;
  };
  const auto tapped = prepared(model_, &tap_), plain = prepared(model_, nullptr),
             biased = prepared(biased_, nullptr);
  const auto between = [](const algorithm::Batch& a, const algorithm::Batch& b, const char* key) {
    return (a.signal(key) - b.signal(key)).abs().max().item<double>();
  };
  EXPECT_LT(between(tapped, biased, "old_logps"), 1e-12);
  EXPECT_GT(between(tapped, plain, "old_logps"), 1e-2);
  EXPECT_EQ(between(tapped, plain, "ref_logps"), 0);
}

TEST_F(Tapped, ScoresAndDecodesAsItTrains) {
  const auto scored = [](const model::Model& model, model::Tap* tap,
                         const std::vector<data::PackItem>& items) {
    return flat(generation::Scorer(model, model::Weights::kPolicy, {.tap = tap}).logps(items));
  };
  generation::SamplingOptions options;
  options.max_new_tokens = 9;
  generation::Lanes lanes(model_, model::Weights::kPolicy, &tap_);
  const auto chain = std::make_shared<const generation::DecodingChain>(options, lanes, false);
  generation::Session session(lanes, nullptr, 100000);
  for (std::uint64_t r = 0; r < rows_.size(); ++r) session.submit({{rows_[r].prompt, r}, chain, 5});
  while (session.step()) continue;
  std::vector<data::PackItem> items;
  std::vector<std::vector<double>> drawn;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const auto sample = session.take(r).front();
    items.push_back(generation::text_item(rows_[r].prompt, sample.ids, static_cast<std::int64_t>(r)));
    drawn.push_back(sample.logps);
  }
  EXPECT_LT(furthest(scored(model_, &tap_, items), scored(biased_, nullptr, items)), 1e-12);
  EXPECT_LT(furthest(flat(drawn), scored(biased_, nullptr, items)),
            attune::test::logp_tolerance(model_.config(), -12, 16));
  EXPECT_GT(furthest(flat(drawn), scored(model_, nullptr, items)), 1e-2);
}

}  // namespace
}  // namespace attune::training
