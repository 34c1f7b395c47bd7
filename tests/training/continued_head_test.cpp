// A continued adapter that trains the output head in full: the reference pass reads the head as it was.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/files/files.h"
#include "model/files/safetensors.h"
#include "tests/training/step_fixture.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

namespace fs = std::filesystem;

class ContinuedHead : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "attune-test-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// A base model and, as PEFT writes it with modules_to_save=["lm_head"], an adapter with a head of its own.
  model::Model continued() const {
    model::Model base = fixture::tiny_model();
    base.save(folder_ + "/base");
    base.add_adapter({.type = "lora", .rank = 2, .alpha = 4, .dropout = 0, .target_modules = {"q_proj"}}, 5);
    base.save_adapter(folder_ + "/adapter");
    std::vector<model::TensorToWrite> tensors;
    const std::string file = folder_ + "/adapter/adapter_model.safetensors";
    {
      const model::SafetensorsFile stored(file);
      for (const model::StoredTensor& one : stored.tensors()) {
        const at::Tensor value = one.load(at::kDouble);
        tensors.push_back({one.name, at::kDouble, one.shape, [value] { return value; }});
      }
    }
    const at::Tensor head = base.head().weight.detach() * 2;
    tensors.push_back(
        {"base_model.model.lm_head.weight", at::kDouble, head.sizes().vec(), [head] { return head; }});
    model::write_safetensors(file, std::move(tensors));
    model::Model model =
        model::Model::load({.path = folder_ + "/base", .dtype = "float64", .adapter = folder_ + "/adapter"});
    model::AdapterOptions lora;
    lora.type = "lora";
    model.add_adapter(lora, 5);
    return model;
  }

  std::string folder_;
};

TEST_F(ContinuedHead, ReferenceReadsTheFrozenHead) {
  model::Model model = continued();
  std::unique_ptr<algorithm::Method> method;
  for (const auto& [name, make] : algorithm::method_entries())
    if (name == "dpo") method = make();
  const auto rows = fixture::random_rows(3, 2, 7);
  const auto views = fixture::views(rows);
  const Step step = assemble_step(views, *method, model.config(), method->shape());
  Engine engine(model, {}, {});
  const auto read = [&](algorithm::Source source) { return engine.scorer(source).logps(step.items); };
  const auto start = read(algorithm::Source::kPolicy);
  EXPECT_EQ(read(algorithm::Source::kReference), start);
  bool moved = false;
  for (auto& parameter : model.trainable()) {
    if (parameter.name != "base_model.model.lm_head.weight") continue;
    at::Tensor values = parameter.tensor.detach();
    values.add_(at::arange(values.numel(), at::kDouble).cos().view_as(values));
    moved = true;
  }
  ASSERT_TRUE(moved);
  EXPECT_NE(read(algorithm::Source::kPolicy), start);
  EXPECT_EQ(read(algorithm::Source::kReference), start);
}

}  // namespace
}  // namespace attune::training
