// The kernels of the processor against their twins of library operations.
#include "model/block/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "decoded.h"
#include "gradients.h"
#include "model/block/dropout.h"
#include "model/block/fused.h"
#include "model/block/rotary/rope.h"
#include "model/decode/cache.h"
#include "model/decode/cached_attention.h"
#include "support.h"

namespace attune::model {
namespace {

class ChosenKernels {
 public:
  explicit ChosenKernels(Kernels choice) : before_(kernels()) { set_kernels(choice); }
  ~ChosenKernels() { set_kernels(before_); }
  ChosenKernels(const ChosenKernels&) = delete;
  ChosenKernels& operator=(const ChosenKernels&) = delete;

 private:
  Kernels before_;
};

struct PassNumbers {
  double loss;
  std::vector<at::Tensor> gradients;
  at::Tensor decoded;
  double tolerance;  ///< of what is decoded
};

PassNumbers numbers_with(Kernels choice, const core::Json& config, const test::Case& one) {
  const ChosenKernels chosen(choice);
  Model model = test::sharp_model(config);
  PassNumbers out{
      test::weighted_logps(model, one, true), {}, test::decoded_logps(model, test::run(1, 40), 18), 0};
  out.tolerance = test::decoding_tolerance(model, out.decoded);
  const auto parameters = model.trainable();
  test::backward(model, one, true);
  for (const auto& parameter : parameters) out.gradients.push_back(parameter.tensor.grad());
  return out;
}

TEST(Kernels, TwinsGiveTheSameNumbers) {
  core::Json windowed = test::tiny_llama();
  windowed["model_type"] = "mistral";
  windowed["sliding_window"] = 6;
  for (const core::Json& config :
       {test::tiny_llama(), test::tiny_gpt2(), windowed, core::Json{{"model_type", "zz_family"}}})
    for (const test::Case& one : test::all_cases()) {
      if (one.sequences.size() == 1) continue;
      const PassNumbers native = numbers_with(Kernels::kNative, config, one);
      const PassNumbers library = numbers_with(Kernels::kLibrary, config, one);
      EXPECT_NEAR(native.loss, library.loss, 1e-10) << one.name;
      for (std::size_t i = 0; i < native.gradients.size(); ++i)
        EXPECT_LT(test::furthest(native.gradients[i], library.gradients[i]), 1e-10) << one.name;
      EXPECT_LT(test::furthest(native.decoded, library.decoded), native.tolerance) << one.name;
    }
}

TEST(Kernels, ThePathsDiffer) {  // the library's products round otherwise than the fused kernel
  const core::Json config = test::tiny_llama();
  const test::Case one = test::all_cases()[6];
  const PassNumbers native = numbers_with(Kernels::kNative, config, one);
  const PassNumbers library = numbers_with(Kernels::kLibrary, config, one);
  bool differs = false;
  for (std::size_t i = 0; i < native.gradients.size(); ++i)
    differs = differs || !native.gradients[i].equal(library.gradients[i]);
  EXPECT_TRUE(differs);
}

TEST(Kernels, DropoutDropsTheSameNumbers) {
  AdapterDropout dropout;
  for (std::uint64_t key = 0; key < 40; ++key) dropout.token_keys.push_back(key * 0x123456789abcdefULL);
  const at::Tensor like = at::empty({0}, at::kFloat);
  for (const std::int64_t width : {1, 4, 30}) {
    const auto mask_with = [&](Kernels choice) {
      const ChosenKernels chosen(choice);
      return dropout_mask(dropout, "some.layer", 0.3, width, like);
    };
    EXPECT_TRUE(mask_with(Kernels::kNative).equal(mask_with(Kernels::kLibrary))) << width;
  }
}

TEST(Kernels, ATokenIsStoredAlike) {
  const AttentionShape shape{.kv = {2, 3, 5, 4}, .layer = 1, .heads = 3};
  const KvPool pool(shape.kv);
  KvSequence kernel(pool), twin(pool);
  const at::Tensor keys = at::sin(at::arange(20 * 3 * 5, at::kFloat)).view({20, 3, 5});
  const at::Tensor values = at::cos(at::arange(20 * 3 * 4, at::kFloat)).view({20, 3, 4});
  for (std::int32_t t = 0; t < 20; ++t) {  // into a second block
    const at::Tensor key = keys[t].contiguous(), value = values[t].contiguous();
    store_key_value(shape, {kernel.extend(), t}, key.const_data_ptr<float>(), value.const_data_ptr<float>());
    store_with_copies(shape, {twin.extend(), t}, key.to(at::kDouble), value);
  }
  for (std::size_t b = 0; b < 2; ++b) {
    const auto floats = static_cast<std::size_t>(shape.kv.block_floats());
    const std::span<const float> one(kernel.blocks()[b].data, floats), two(twin.blocks()[b].data, floats);
    EXPECT_TRUE(std::ranges::equal(one, two)) << b;
    EXPECT_TRUE(std::ranges::any_of(one, [](float x) { return x != 0; })) << b;
  }
}

/// Names of the autograd functions behind a tensor.
void add_functions(const torch::autograd::Node* node, std::set<std::string>& names) {
  if (node == nullptr) return;
  names.insert(node->name());
  for (const auto& edge : node->next_edges()) add_functions(edge.function.get(), names);
}

TEST(Kernels, OtherDevicesTakeTheTwinsWhateverIsChosen) {
  const ChosenKernels chosen(Kernels::kNative);
  const auto ours = [](at::Device device) {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
    const at::Tensor x = at::ones({3, 2, 4}, options).requires_grad_();
    const at::Tensor weight = at::ones({4}, options);
    const RopeTables tables{at::ones({3, 2}, options), at::ones({3, 2}, options)};
    std::set<std::string> names;
    for (const at::Tensor& y :
         {rms_norm(x, weight, 1e-6, false), rotate(x, tables), gated(x, x, Activation::kSilu)})
      add_functions(y.grad_fn().get(), names);
    std::erase_if(names, [](const std::string& name) { return name.find("attune") == std::string::npos; });
    return names;
  };
  EXPECT_EQ(ours(at::kCPU).size(), 3U);
  EXPECT_TRUE(ours(at::kMeta).empty());
}

TEST(Kernels, WordsAreReadOrRefused) {
  EXPECT_EQ(kernels_from("native", "here"), Kernels::kNative);
  EXPECT_EQ(kernels_from("library", "here"), Kernels::kLibrary);
  EXPECT_THROW(kernels_from("fast", "here"), core::Error);
}

}  // namespace
}  // namespace attune::model
