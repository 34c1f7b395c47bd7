// Named heads: on the model, in its files, packed as one at a time.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files/files.h"
#include "model/files/safetensors.h"
#include "model/model.h"
#include "model/signal.h"
#include "support.h"

namespace attune::model {
namespace {

using test::operator+;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

const std::vector<test::Ids> kSequences = {test::run(0, 9) + test::Ids{40, 1, 2},
                                           test::run(0, 9) + test::Ids{41, 7},
                                           test::run(0, 4) + test::Ids{9, 9, 9}};
const std::vector<std::string> kSignals = {"score", "value"};

/// Both heads with two and three outputs, biased where a bias is.
Model headed(const core::Json& config) {
  Model model = Model::random(config, 3, "float64");
  model.add_head("score", 4, 2);
  model.add_head("value", 5, 3);
  at::Tensor(model.named_head("value").bias).copy_(at::tensor({0.25, -1., 2.}, at::kDouble));
  return model;
}

/// Rows of every token of one sequence of a forest.
Readout all_rows(const core::Forest& forest, std::size_t sequence) {
  const auto stream = forest.stream_indices(sequence);
  const at::Tensor rows = at::tensor(std::vector<std::int64_t>(stream.begin(), stream.end()), at::kLong);
  return {rows, at::zeros_like(rows)};
}

TEST(Heads, PackedEqualsOneAtATime) {
  const c10::NoGradGuard no_grad;
  const Model model = headed(test::tiny_llama());
  const auto packed = test::Case{"", kSequences, {}}.forest();
  const SignalModel together{.hidden = model.hidden(packed), .heads = model.named_heads()};
  for (std::size_t i = 0; i < kSequences.size(); ++i) {
    const auto single = test::Case{"", {kSequences[i]}, {}}.forest();
    const SignalModel alone{.hidden = model.hidden(single), .heads = model.named_heads()};
    const auto a = read_signals(together, all_rows(packed, i), kSignals);
    const auto b = read_signals(alone, all_rows(single, 0), kSignals);
    EXPECT_EQ(a.at("score").sizes(),
              (std::vector<std::int64_t>{static_cast<std::int64_t>(kSequences[i].size()), 2}));
    EXPECT_EQ(a.at("value").size(1), 3);
    for (const std::string& name : kSignals)
      EXPECT_LT((a.at(name) - b.at(name)).abs().max().item<double>(), 1e-12) << name;
  }
}

TEST(Heads, GradientsArePackedAsOneAtATimeToo) {
  Model model = headed(test::tiny_llama());
  const auto parameters = model.trainable();
  const auto backward = [&](const core::Forest& forest, std::size_t sequence, std::size_t index) {
    const at::Tensor hidden = model.hidden(forest);
    const SignalModel read{.hidden = hidden, .heads = model.named_heads()};
    const Readout readout = all_rows(forest, sequence);
    const auto seeds =
        at::arange(readout.rows.size(0) * 5, at::kDouble).add(static_cast<double>(index)).cos().view({-1, 5});
    hidden.backward(backward_signals(read, readout,
                                     {{"score", seeds.narrow(1, 0, 2)}, {"value", seeds.narrow(1, 2, 3)}}));
  };
  const auto take = [&] {
    std::vector<at::Tensor> out;
    for (const auto& parameter : parameters) {
      out.push_back(parameter.tensor.grad().defined() ? parameter.tensor.grad().clone() : at::Tensor());
      parameter.tensor.mutable_grad().reset();
    }
    return out;
  };
  for (std::size_t i = 0; i < kSequences.size(); ++i) backward(test::Case{"", kSequences, {}}.forest(), i, i);
  const auto packed = take();
  for (std::size_t i = 0; i < kSequences.size(); ++i)
    backward(test::Case{"", {kSequences[i]}, {}}.forest(), 0, i);
  const auto alone = take();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    ASSERT_TRUE(packed[i].defined())
        << parameters[i].name;  // the output head is none of them in a reward model
    EXPECT_LT((packed[i] - alone[i]).abs().max().item<double>(), 1e-10) << parameters[i].name;
  }
}

TEST(Heads, AreTrainedAlongUnderTheirNamesInTheFile) {
  Model model = headed(test::tiny_llama());
  std::vector<std::string> names;
  for (const auto& parameter : model.trainable()) names.push_back(parameter.name);
  EXPECT_EQ(Model::trainable_names(model.config(), {}, {"score", "value"}), names);
  EXPECT_THAT(std::vector<std::string>(names.end() - 3, names.end()),
              ElementsAre("score.weight", "v_head.summary.weight", "v_head.summary.bias"));
  EXPECT_THAT(names, ::testing::Not(::testing::Contains("lm_head.weight")));  // a reward model's is not saved
  Model valued = Model::random(test::tiny_llama(), 3);
  valued.add_head("value", 5);
  names.clear();
  for (const auto& parameter : valued.trainable()) names.push_back(parameter.name);
  EXPECT_THAT(names, IsSupersetOf({"lm_head.weight", "v_head.summary.weight"}));
}

TEST(Heads, AFreshOneIsKeptAndItsBiasStartsAtZero) {
  Model model = Model::random(test::tiny_llama(), 3);
  EXPECT_FALSE(model.named_head("value").weight.defined());
  EXPECT_TRUE(model.named_heads().empty());
  model.add_head("value", 5);
  const at::Tensor first = model.named_head("value").weight.clone();
  EXPECT_EQ(first.sizes(), (std::vector<std::int64_t>{1, 16}));
  EXPECT_EQ(model.named_head("value").bias.item<float>(), 0);
  model.add_head("value", 6);
  EXPECT_TRUE(model.named_head("value").weight.equal(first));
  EXPECT_THAT(test::message_of([&] { model.add_head("value", 6, 4); }),
              HasSubstr("the value head has 1 outputs; this needs exactly 4"));
  model.add_head("score", 5);
  EXPECT_FALSE(model.named_head("score").bias.defined());
  EXPECT_FALSE(model.named_head("score").weight.equal(first));
}

TEST(Heads, SavedAndLoadedAndRestored) {
  for (const bool adapter : {false, true}) {
    const test::TemporaryFolder folder;
    Model::random(test::tiny_llama(), 3, "float64").save(folder / "base");
    const auto make = [&](std::uint64_t seed) {
      Model model = Model::load({.path = folder / "base", .dtype = "float64"});
      AdapterOptions options;
      options.type = adapter ? "lora" : "none";
      model.add_adapter(options, seed);
      model.add_head("value", seed, 3);
      for (auto& parameter : model.trainable()) at::Tensor(parameter.tensor.detach()).add_(0.125);
      return model;
    };
    const Model model = make(4);
    model.save_result(folder / "run");
    const Model again = Model::load({.path = folder / "run", .dtype = "float64", .heads = {"value"}});
    EXPECT_EQ(again.fingerprint(), model.fingerprint());
    EXPECT_TRUE(again.named_head("value").bias.equal(at::full({3}, 0.125, at::kDouble)));
    EXPECT_TRUE(again.head().weight.defined());
    Model other = make(5);
    EXPECT_NE(other.fingerprint(), model.fingerprint());
    other.restore(folder / "run");
    EXPECT_EQ(other.fingerprint(), model.fingerprint());
    // TRL's names, in the file of the other weights
    const WeightFiles files(folder / "run", adapter ? "adapter_model.safetensors" : "model.safetensors");
    const std::string prefix = adapter ? "base_model.model." : "";
    ASSERT_TRUE(files.find(prefix + "v_head.summary.weight"));
    EXPECT_THAT(files.find(prefix + "v_head.summary.weight")->shape, ElementsAre(3, 16));
    EXPECT_THAT(files.find(prefix + "v_head.summary.bias")->shape, ElementsAre(3));
  }
}

TEST(Heads, AScoreOfKLabelsIsAClassifierOfKLabels) {
  const test::TemporaryFolder folder;
  for (const auto& [config, name] : {std::pair{test::tiny_llama(), "LlamaForSequenceClassification"},
                                     std::pair{test::tiny_gpt2(), "GPT2ForSequenceClassification"}}) {
    headed(config).save(folder / "model");  // these configurations name no architecture: the family does
    const core::Json saved = core::read_json_file(folder / "model/config.json");
    EXPECT_EQ(saved.at("architectures"), core::Json::array({name}));
    EXPECT_EQ(saved.at("id2label").size(), 2U);
    const Model again = Model::load({.path = folder / "model", .dtype = "float64"});
    EXPECT_TRUE(again.config().sequence_classification);
    EXPECT_EQ(again.named_head("score").weight.size(0), 2);
    EXPECT_FALSE(again.head().weight.defined());
  }
}

TEST(Heads, FilesThatDoNotFitAreNamed) {
  const test::TemporaryFolder folder;
  const auto message = [&](std::vector<std::int64_t> weight, std::vector<std::int64_t> bias) -> std::string {
    Model model = Model::random(test::tiny_llama(), 3);
    Linear& head = model.weights().named_heads.at("value");
    head.weight = at::ones(weight), head.bias = at::ones(bias);
    model.save(folder / "model");
    return test::message_of([&] { Model::load({.path = folder / "model", .heads = {"value"}}); });
  };
  EXPECT_EQ(message({2, 16}, {2}), "");
  EXPECT_THAT(message({2, 17}, {2}), HasSubstr("hidden_size = 16"));
  EXPECT_THAT(message({2, 16}, {3}), HasSubstr("'v_head.summary.bias' has shape [3]"));
}

}  // namespace
}  // namespace attune::model
