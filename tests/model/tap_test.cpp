// Taps: what they see, what they change, in training and in decoding.
#include "model/tap.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "decoded.h"
#include "gradients.h"
#include "model/files/tensor_slots.h"
#include "support.h"

namespace attune::model {
namespace {

using test::operator+;

/// Adds a vector at one site of one layer.
class AddingTap final : public Tap {
 public:
  AddingTap(Site site, std::int64_t layer, at::Tensor vector)
      : site_(site), layer_(layer), vector_(std::move(vector)) {}
  void at(Site site, std::int64_t layer, at::Tensor& x) override {
    if (site == site_ && layer == layer_) x = x + vector_;
  }

 private:
  Site site_;
  std::int64_t layer_;
  at::Tensor vector_;
};

/// Notes where it was called and with what.
class NotingTap final : public Tap {
 public:
  using Visit = std::pair<std::pair<Site, std::int64_t>, std::vector<std::int64_t>>;
  std::vector<Visit> visits;
  void at(Site site, std::int64_t layer, at::Tensor& x) override {
    visits.push_back({{site, layer}, x.sizes().vec()});
  }
};

/// Two layers, biases in the MLP.
Model tapped_model() {
  core::Json json = test::tiny_llama();
  json["mlp_bias"] = true;
  return test::sharp_model(json);
}

/// What a tap that adds a vector to the MLP's output must equal: the vector in the bias of its last layer.
TEST(Tap, AnAddedVectorIsABiasInTrainingAndDecoding) {
  const test::Ids text = test::run(1, 20) + test::Ids{7, 30, 8};
  const at::Tensor vector = at::sin(at::arange(16, at::kDouble)) * 3;
  Model model = tapped_model(), biased = tapped_model();
  at::Tensor(biased.weights().layers[1].down.bias.detach()).add_(vector);
  AddingTap tap(Site::kMlpOutput, 1, vector);
  const at::Tensor expected = test::forward_logps(biased, text);
  EXPECT_GT(test::furthest(test::forward_logps(model, text), expected), 1e-2);
  EXPECT_LT(test::furthest(test::forward_logps(model, text, &tap), expected), 1e-12);
  EXPECT_LT(test::furthest(test::decoded_logps(model, text, 5, &tap), expected.narrow(0, 4, 18)),
            test::decoding_tolerance(model, expected));
}

TEST(Tap, GradientsFlowThroughWhatItDoes) {
  Model model = tapped_model();
  model.trainable();
  const test::Case one = test::all_cases()[4];
  const auto forest = one.forest();
  at::Tensor vector = at::zeros({16}, at::kDouble).requires_grad_();
  AddingTap tap(Site::kMlpOutput, 0, vector);
  at::Tensor hidden = model.hidden(forest, Weights::kPolicy, {}, &tap);
  (hidden * at::cos(at::arange(hidden.numel(), at::kDouble)).view(hidden.sizes())).sum().backward();
  const at::Tensor expected = model.weights().layers[0].down.bias.grad();
  EXPECT_GT(expected.abs().max().item<double>(), 1e-3);
  EXPECT_LT(test::furthest(vector.grad(), expected), 1e-12);
}

TEST(Tap, StandsAtEverySiteInOrderInTrainingAndDecoding) {
  const Model model = tapped_model();
  const auto visits_of = [](std::int64_t rows) {
    std::vector<NotingTap::Visit> visits = {{{Site::kEmbedding, -1}, {rows, 16}}};
    for (const std::int64_t layer : {0, 1}) {
      visits.push_back({{Site::kBlockInput, layer}, {rows, 16}});
      visits.push_back({{Site::kQueries, layer}, {rows, 4, 4}});
      visits.push_back({{Site::kKeys, layer}, {rows, 2, 4}});
      visits.push_back({{Site::kValues, layer}, {rows, 2, 4}});
      visits.push_back({{Site::kAttended, layer}, {rows, 16}});
      visits.push_back({{Site::kAttentionOutput, layer}, {rows, 16}});
      visits.push_back({{Site::kMlpOutput, layer}, {rows, 16}});
      visits.push_back({{Site::kBlockOutput, layer}, {rows, 16}});
    }
    visits.push_back({{Site::kFinalNorm, 2}, {rows, 16}});
    return visits;
  };
  NotingTap training, decoding;
  test::forward_logps(model, {1, 2, 3}, &training);
  EXPECT_EQ(training.visits, visits_of(3));
  test::decoded_logps(model, {1, 2, 3}, 2, &decoding);
  auto expected = visits_of(2);  // the prompt, then the token behind it
  for (const auto& visit : visits_of(1)) expected.push_back(visit);
  EXPECT_EQ(decoding.visits, expected);
}

TEST(Tap, AReplacementAtEverySiteReachesBoth) {
  const Model model = tapped_model();
  const test::Ids text = test::run(1, 12);
  const at::Tensor plain = test::forward_logps(model, text);
  for (const Site site : {Site::kBlockInput, Site::kQueries, Site::kKeys, Site::kValues, Site::kAttended,
                          Site::kAttentionOutput, Site::kMlpOutput, Site::kBlockOutput}) {
    const std::int64_t width =
        site == Site::kQueries || site == Site::kKeys || site == Site::kValues ? 4 : 16;
    AddingTap tap(site, 1, at::sin(at::arange(width, at::kDouble)));
    const at::Tensor changed = test::forward_logps(model, text, &tap);
    // a vector added to all keys shifts all scores of a query alike
    if (site != Site::kKeys) {
      EXPECT_GT(test::furthest(changed, plain), 1e-4) << static_cast<int>(site);
    }
    EXPECT_LT(test::furthest(test::decoded_logps(model, text, 1, &tap), changed),
              test::decoding_tolerance(model, changed))
        << static_cast<int>(site);
  }
}

}  // namespace
}  // namespace attune::model
