// Every adapter of the open set, a double of the tests included: fresh ones change nothing, gradients equal
// finite differences, merged equals acting, and PEFT's files bring back the same model.
#include "model/adapter.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/value.h"
#include "core/error.h"
#include "core/files/files.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"
#include "support.h"

namespace attune::model {
namespace {

using test::message_of;
using test::operator+;
using ::testing::HasSubstr;

const test::Case kPair{
    "pair", {test::run(0, 9) + test::Ids{40, 1, 2}, test::run(0, 9) + test::Ids{41, 7}}, {}};

/// Weights and biases large enough that every part of the model matters.
Model lively(const core::Json& config) {
  Model model = Model::random(config, 3, "float64");
  for (auto& parameter : model.trainable()) {
    at::Tensor values = parameter.tensor.detach();
    values.mul_(parameter.decay ? 10 : 1)
        .add_(at::arange(values.numel(), at::kDouble).cos().view_as(values), 0.05);
  }
  return model;
}

/// Moves every trained tensor away from where it starts.
void disturb(Model& model, double by = 0.2) {
  for (auto& parameter : model.trainable()) {
    at::Tensor values = parameter.tensor.detach();
    values.add_(at::arange(values.numel(), at::kDouble).sin().view_as(values), by);
  }
}

at::Tensor hidden(const Model& model, Weights which = Weights::kPolicy) {
  const c10::NoGradGuard no_grad;
  return model.hidden(kPair.forest(), which);
}

bool near(const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, 1e-10, 1e-10); }

class EveryAdapter : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  core::Json config() const { return std::get<1>(GetParam()) ? test::tiny_gpt2() : test::tiny_llama(); }
  AdapterOptions options() const {
    AdapterOptions options;
    options.type = std::get<0>(GetParam());
    options.rank = 3;
    options.target_modules = {"all-linear"};
    return options;
  }
  Model adapted() const {
    Model model = lively(config());
    model.add_adapter(options(), 9);
    return model;
  }
};

TEST_P(EveryAdapter, AFreshOneChangesNothingAndIsAllThatIsTrained) {
  Model model = lively(config());
  const at::Tensor before = hidden(model);
  model.add_adapter(options(), 9);
  EXPECT_TRUE(near(hidden(model), before));
  const auto parameters = model.trainable();
  const std::size_t layers = std::get<1>(GetParam()) ? 2 * 4 : 2 * 7;
  EXPECT_EQ(parameters.size(), layers * adapter_named(options().type).tensors().size());
  std::vector<std::string> names;
  for (const auto& parameter : parameters) names.push_back(parameter.name);
  EXPECT_EQ(Model::trainable_names(model.config(), options(), {}), names);
  disturb(model);
  EXPECT_FALSE(at::allclose(hidden(model), before));
  EXPECT_TRUE(hidden(model, Weights::kReference).equal(before));
}

TEST_P(EveryAdapter, GradientsEqualFiniteDifferences) {
  Model model = adapted();
  disturb(model);
  const at::Tensor states = model.hidden(kPair.forest());
  const at::Tensor upstream = at::arange(states.numel(), at::kDouble).cos().view_as(states);
  const auto parameters = model.trainable();
  model.hidden(kPair.forest()).backward(upstream);
  for (const auto& parameter : parameters) {
    at::Tensor values = parameter.tensor.detach();
    const at::Tensor direction = at::arange(values.numel(), at::kDouble).add(1).sin().view_as(values);
    const auto loss = [&](double by) {
      values.add_(direction, by);
      const double out = (hidden(model) * upstream).sum().item<double>();
      values.sub_(direction, by);
      return out;
    };
    const double h = 1e-5, numeric = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h);
    ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
    EXPECT_NEAR((parameter.tensor.grad() * direction).sum().item<double>(), numeric,
                1e-6 * (1 + std::abs(numeric)))
        << parameter.name;
  }
}

TEST_P(EveryAdapter, MergedEqualsActing) {
  Model model = adapted();
  const at::Tensor plain = hidden(model);
  disturb(model);
  const at::Tensor acting = hidden(model);
  const std::uint64_t print = model.fingerprint();
  model.merge_adapter();
  EXPECT_TRUE(near(hidden(model), acting));
  EXPECT_TRUE(hidden(model, Weights::kReference).equal(plain));
  model.unmerge_adapter();
  EXPECT_EQ(model.fingerprint(), print);
  EXPECT_TRUE(hidden(model).equal(acting));
  Model mixed = lively(config());
  mixed.move_towards(model, 1);
  EXPECT_TRUE(near(hidden(mixed), acting));
  model.drop_adapter_after_merge();
  EXPECT_FALSE(model.has_adapter());
  EXPECT_TRUE(near(hidden(model), acting));
}

TEST_P(EveryAdapter, FilesBringBackTheSameModel) {
  const test::TemporaryFolder folder;
  Model model = lively(config());
  model.save(folder / "base");
  model = Model::load({.path = folder / "base", .dtype = "float64"});
  AdapterOptions chosen = options();
  chosen.numbers["start"] = 1.5;  // heeded by the double alone
  model.add_adapter(chosen, 9);
  disturb(model);
  model.save_adapter(folder / "adapter");
  const Model again = Model::load({.path = folder / "adapter", .dtype = "float64"});
  EXPECT_EQ(again.fingerprint(), model.fingerprint());
  const auto peeked = Model::peek_adapter({.path = folder / "adapter"});
  ASSERT_TRUE(peeked);
  EXPECT_EQ(peeked->type, chosen.type);
  if (adapter_named(chosen.type).info().heeds("start")) {
    EXPECT_EQ(peeked->numbers.at("start"), 1.5);
  }

  Model fresh = Model::load({.path = folder / "base", .dtype = "float64"});
  fresh.add_adapter(chosen, 10);
  EXPECT_NE(fresh.fingerprint(), model.fingerprint());
  fresh.restore(folder / "adapter");
  EXPECT_EQ(fresh.fingerprint(), model.fingerprint());

  model.save(folder / "whole", {.dtype = "float64"});
  EXPECT_TRUE(near(hidden(Model::load({.path = folder / "whole", .dtype = "float64"})), hidden(model)));
}

TEST_P(EveryAdapter, AContinuedOneIsItsOwnReference) {
  Model model = adapted();
  disturb(model);
  const at::Tensor start = hidden(model);
  model.add_adapter(options(), 9);
  disturb(model, 0.1);
  EXPECT_FALSE(at::allclose(hidden(model), start));
  EXPECT_TRUE(hidden(model, Weights::kReference).equal(start));
  model.merge_adapter();
  EXPECT_TRUE(hidden(model, Weights::kReference).equal(start));
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const auto& [name, make] : adapter_entries()) names.emplace_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Adapters, EveryAdapter,
                         ::testing::Combine(::testing::ValuesIn(kinds()), ::testing::Bool()),
                         [](const auto& info) {
                           return std::get<0>(info.param) + (std::get<1>(info.param) ? "_gpt2" : "_llama");
                         });

TEST(Adapters, NamesAndOptionsAreInTheList) {
  EXPECT_THAT(kinds(), ::testing::ElementsAre("lora", "zz_scale"));
  for (const auto& [name, make] : adapter_entries()) EXPECT_EQ(make()->info().name, name);
  AdapterOptions options;
  core::fields_of(options).assign_all(core::parse_yaml("{type: zz_scale, start: 2.5}", "test"), "adapter");
  EXPECT_EQ(options.type, "zz_scale");
  EXPECT_EQ(options.numbers.at("start"), 2.5);
  EXPECT_THAT(message_of([] { adapter_named("zz"); }), HasSubstr("lora, zz_scale"));
}

TEST(Adapters, ScaleIsWhatItSays) {
  // s = (2, 1, 1 …) on the outputs of v_proj doubles the first value of every token: y = s ⊙ (W x)
  Model model = lively(test::tiny_llama());
  AdapterOptions options;
  options.type = "zz_scale";
  model.add_adapter(options, 1);
  const auto parameters = model.trainable();
  ASSERT_EQ(parameters.size(), 2U);  // its own default targets: v_proj of two layers
  EXPECT_EQ(parameters[0].name, "base_model.model.model.layers.0.self_attn.v_proj.zz_scale");
  EXPECT_FALSE(parameters[0].decay);
  at::Tensor(parameters[0].tensor.detach())[0] = 2;
  const Linear& layer = model.weights().layers[0].qkv[2];
  const at::Tensor x = at::eye(16, at::kDouble), plain = layer.forward(x, Weights::kReference),
                   scaled = layer.forward(x, Weights::kPolicy);
  EXPECT_TRUE(scaled.select(1, 0).equal(plain.select(1, 0) * 2));
  EXPECT_TRUE(scaled.narrow(1, 1, 7).equal(plain.narrow(1, 1, 7)));
}

TEST(Adapters, FilesThatDoNotFitAreNamed) {
  const test::TemporaryFolder folder;
  Model::random(test::tiny_llama(), 1).save(folder / "base");
  const std::string path = "base_model.model.model.layers.0.self_attn.v_proj";
  const auto read = [&](const std::string& config, const std::string& tensor, std::int64_t size) {
    core::ensure_folder(folder / "adapter");
    test::write_text(folder / "adapter/adapter_config.json", config);
    const at::Tensor value = at::ones({size});
    write_safetensors(folder / "adapter/adapter_model.safetensors",
                      {{tensor, at::kFloat, {size}, [value] { return value; }}});
    return message_of([&] { Model::load({.path = folder / "base", .adapter = folder / "adapter"}); });
  };
  const std::string scale = R"({"peft_type": "ZZ_SCALE"})";
  EXPECT_EQ(read(scale, path + ".zz_scale", 8), "");
  EXPECT_THAT(read(scale, path + ".zz_scale", 7), HasSubstr("[7] factors for 8 outputs"));
  EXPECT_THAT(read(scale, path + ".zz_shift", 8), HasSubstr("shifts are not supported"));
  EXPECT_THAT(read(scale, path + "x.zz_scale", 8), HasSubstr("v_projx' is no linear layer"));
  EXPECT_THAT(read(R"({"peft_type": "BONE"})", path + ".zz_scale", 8),
              HasSubstr("there are: lora, zz_scale"));
  EXPECT_THAT(read(R"({"peft_type": "LORA"})", path + ".lora_A.weight", 8),
              HasSubstr("has lora_A but no lora_B"));
}

}  // namespace
}  // namespace attune::model
