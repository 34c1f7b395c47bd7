// The whole transformer: shared equals unshared, gradients equal finite differences, adapters, dropout.
#include "model/transformer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "gradients.h"
#include "model/block/dropout.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"
#include "model/signal.h"
#include "support.h"

namespace attune::model {
namespace {

using test::Case;
using ::testing::HasSubstr;

core::Json mistral() {
  core::Json json = test::tiny_llama();
  json["model_type"] = "mistral";
  json["sliding_window"] = 6;
  return json;
}

using test::backward;
using test::check_gradients;
using test::sharp_model;
using test::weighted_logps;

class TransformerTest : public ::testing::TestWithParam<std::pair<const char*, core::Json>> {};

TEST_P(TransformerTest, SharedEqualsOneAtATimeInEveryGradient) {
  for (const Case& one : test::all_cases()) {
    if (one.sequences.size() == 1) continue;  // nothing to predict
    Model model = sharp_model(GetParam().second);
    const auto parameters = model.trainable();
    backward(model, one, true);
    std::vector<at::Tensor> shared;
    for (const auto& p : parameters)
      shared.push_back(p.tensor.grad().clone()), p.tensor.mutable_grad().reset();
    backward(model, one, false);
    EXPECT_NEAR(weighted_logps(model, one, true), weighted_logps(model, one, false), 1e-10) << one.name;
    for (std::size_t i = 0; i < parameters.size(); ++i)
      EXPECT_LT((parameters[i].tensor.grad() - shared[i]).abs().max().item<double>(), 1e-10)
          << one.name << ", " << parameters[i].name;
  }
}

TEST_P(TransformerTest, GradientsEqualFiniteDifferences) {
  for (const Case& one : test::all_cases()) {
    if (one.sequences.size() == 1) continue;
    Model model = sharp_model(GetParam().second);
    check_gradients(model, one, one.name == "two levels", GetParam().first);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TransformerTest,
                         ::testing::Values(std::pair{"llama", test::tiny_llama()},
                                           std::pair{"mistral", mistral()},
                                           std::pair{"gpt2", test::tiny_gpt2()}),
                         [](const auto& info) { return std::string(info.param.first); });

/// The prepared axes that no family uses yet: each must change the result, and its gradients must be right.
TEST(Transformer, PreparedAxesHaveRightGradients) {
  const std::vector<std::pair<const char*, void (*)(ModelConfig&)>> axes = {
      {"parallel block", [](ModelConfig& c) { c.parallel_block = true; }},
      {"norm plus one", [](ModelConfig& c) { c.norm_plus_one = true; }},
      {"partial rotation", [](ModelConfig& c) { c.ropes[0].dims = 2; }},
      {"layer without rotation", [](ModelConfig& c) { c.rope_of = {0, -1}; }},
      {"soft cap", [](ModelConfig& c) { c.logit_softcap = 3; }},
      {"embedding scale", [](ModelConfig& c) { c.embedding_scale = 4; }},
      {"gelu gate", [](ModelConfig& c) { c.activation = Activation::kGeluTanh; }},
      {"scale by layer", [](ModelConfig& c) { c.scale_by_layer = true; }},
  };
  const Case one = test::all_cases()[4];
  Model plain = sharp_model(test::tiny_llama());
  const double before = weighted_logps(plain, one, true);
  for (const auto& [name, change] : axes) {
    Model model = sharp_model(test::tiny_llama());
    change(model.mutable_config());
    EXPECT_GT(std::abs(weighted_logps(model, one, true) - before), 1e-6) << name;
    check_gradients(model, one, false, name);
  }
}

TEST(Transformer, NamesTokensOutsideTheVocabularyAndTooLongSequences) {
  Model model = Model::random(test::tiny_gpt2(), 1);
  const auto message = [&](const Case& one) -> std::string {
    try {
      model.hidden(one.forest());
      return "";
    } catch (const core::Error& error) {
      return error.what();
    }
  };
  EXPECT_THAT(message({"", {{1, 50}}, {}}), HasSubstr("token id 50"));
  EXPECT_THAT(message({"", {test::Ids(257, 1)}, {}}), HasSubstr("n_positions"));
}

AdapterOptions lora(std::vector<std::string> targets, double dropout = 0) {
  AdapterOptions options;
  options.type = "lora";
  options.rank = 3;
  options.dropout = dropout;
  options.target_modules = std::move(targets);
  return options;
}

void fill_b(Model& model) {
  for_each_linear(model.weights(), [](Linear& linear) {
    if (linear.adapter) at::Tensor(linear.adapter->tensors[1].detach()).normal_(0, 0.3);
  });
}

TEST(Adapter, DropoutDoesNotDependOnThreads) {
  AdapterDropout dropout;
  for (std::uint64_t key = 0; key < 700; ++key) dropout.token_keys.push_back(key * 77);
  const int before = at::get_num_threads();
  std::vector<at::Tensor> masks;
  for (const int threads : {1, 4}) {
    at::set_num_threads(threads);
    masks.push_back(
        dropout_mask(dropout, "model.layers.0.mlp.up_proj", 0.25, 1500, at::empty({0}, at::kFloat)));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(masks[0], masks[1]));
  EXPECT_NEAR(masks[0].mean().item<double>(), 1, 0.01);
  EXPECT_NEAR((masks[0] == 0).to(at::kDouble).mean().item<double>(), 0.25, 0.005);
}

TEST(Adapter, AFreshOneChangesNothingAndIsAllThatIsTrained) {
  Model model = sharp_model(test::tiny_llama());
  const Case one = test::all_cases()[3];
  const double before = weighted_logps(model, one, true);
  model.add_adapter(lora({"all-linear"}), 9);
  EXPECT_EQ(weighted_logps(model, one, true), before);
  const auto parameters = model.trainable();
  EXPECT_EQ(parameters.size(), 2u * 7u * 2u);  // A and B of q, k, v, o, gate, up, down in two layers
  EXPECT_EQ(parameters[0].name, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
  backward(model, one, true);
  EXPECT_FALSE(model.weights().embedding.requires_grad());
  EXPECT_GT(parameters[1].tensor.grad().abs().max().item<double>(), 0);
  // A is uniform within 1 / sqrt(16) = 0.25
  EXPECT_LE(parameters[0].tensor.abs().max().item<double>(), 0.25);
  EXPECT_GT(parameters[0].tensor.abs().max().item<double>(), 0.2);
}

TEST(Adapter, TheReferenceIsTheAdapterOffOrItsFrozenStart) {
  Model model = sharp_model(test::tiny_llama());
  const Case one = test::all_cases()[3];
  const auto forest = one.forest();
  const at::Tensor plain = model.hidden(forest).detach();
  model.add_adapter(lora({"q_proj", "up_proj"}), 9);
  fill_b(model);
  const at::Tensor adapted = model.hidden(forest).detach();
  EXPECT_FALSE(at::allclose(adapted, plain));
  EXPECT_TRUE(model.hidden(forest, Weights::kReference).equal(plain));
  model.add_adapter(lora({"q_proj", "up_proj"}), 9);  // continued: the present state becomes the reference
  fill_b(model);
  EXPECT_FALSE(at::allclose(model.hidden(forest), adapted));
  EXPECT_TRUE(at::allclose(model.hidden(forest, Weights::kReference), adapted, 1e-12, 1e-12));
  const at::Tensor now = model.hidden(forest).detach();
  model.merge_adapter();
  EXPECT_TRUE(at::allclose(model.hidden(forest), now, 1e-10, 1e-10));
  EXPECT_TRUE(at::allclose(model.hidden(forest, Weights::kReference), adapted, 1e-10, 1e-10));
  model.unmerge_adapter();
  EXPECT_TRUE(at::allclose(model.hidden(forest), now, 1e-10, 1e-10));
  EXPECT_TRUE(at::allclose(model.hidden(forest, Weights::kReference), adapted, 1e-10, 1e-10));
}

TEST(Adapter, NamesWhatThereIsWhenNothingMatches) {
  Model model = Model::random(test::tiny_llama(), 1);
  try {
    model.add_adapter(lora({"c_attn"}), 1);
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("c_attn"));
    EXPECT_THAT(error.what(), HasSubstr("q_proj"));
  }
  EXPECT_THROW(model.add_adapter(lora({"(q_proj"}), 1), core::Error);
}

TEST(Adapter, DropoutDependsOnTheSequencesKeyNotOnBatching) {
  Model model = sharp_model(test::tiny_llama());
  model.add_adapter(lora({"all-linear"}, 0.5), 9);
  fill_b(model);
  const Case both{"", {test::run(0, 9), test::run(5, 12)}, {0, 1}}, second{"", {test::run(5, 12)}, {}};
  const std::vector<std::uint64_t> keys = {4, 1}, key = {1}, other = {2};
  const at::Tensor together = model.hidden(both.forest(false), Weights::kPolicy, keys).narrow(0, 9, 12);
  const at::Tensor alone = model.hidden(second.forest(false), Weights::kPolicy, key);
  EXPECT_TRUE(at::allclose(together, alone, 1e-10, 1e-10));
  EXPECT_FALSE(at::allclose(model.hidden(second.forest(false), Weights::kPolicy, other), alone));
  EXPECT_FALSE(at::allclose(model.hidden(second.forest(false)), alone));
  const at::Tensor plain = model.hidden(second.forest(false), Weights::kReference, key);
  EXPECT_TRUE(plain.equal(model.hidden(second.forest(false), Weights::kReference)));
}

}  // namespace
}  // namespace attune::model
