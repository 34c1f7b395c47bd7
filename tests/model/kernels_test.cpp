// The kernels of the processor against their twins of library operations.
#include "model/block/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/error.h"
#include "decoded.h"
#include "gradients.h"
#include "model/block/dropout.h"
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
  AdapterDropout dropout{.seed = 5, .token_keys = {}};
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

TEST(Kernels, WordsAreReadOrRefused) {
  EXPECT_EQ(kernels_from("native", "here"), Kernels::kNative);
  EXPECT_EQ(kernels_from("library", "here"), Kernels::kLibrary);
  EXPECT_THROW(kernels_from("fast", "here"), core::Error);
}

}  // namespace
}  // namespace attune::model
