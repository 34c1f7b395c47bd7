// One update's loss and gradients, computed over packed streams with shared prompts and, for comparison, one
// sequence at a time without sharing.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "cli/selftest_check.h"
#include "training/run/recipe/terms.h"
#include "training/step/data_stream.h"
#include "training/step/engine.h"

namespace attune::cli {
namespace {

constexpr double kGradientTolerance = 1e-4;  // share of the gradient's length; float32
constexpr std::int64_t kPackedPairs = 8;

struct Computed {
  double loss = 0;
  std::map<std::string, at::Tensor> gradients;
};

Computed compute(model::Model& model, const model::Model& start, const training::Step& step,
                 const algorithm::Method& method, const training::EngineOptions& options) {
  training::Engine engine(model, {&start, {}}, options);
  algorithm::State state;
  Computed computed;
  computed.loss = engine.run(step, method, state).loss;
  for (auto& parameter : model.trainable()) {
    computed.gradients[parameter.name] = parameter.tensor.grad().clone();
    parameter.tensor.mutable_grad() = at::Tensor();
  }
  return computed;
}

/// How far apart two results are: losses, and gradients as a share of their length.
double apart(const Computed& a, const Computed& b) {
  double off = 0, length = 0;
  for (const auto& [name, gradient] : a.gradients) {
    off += (gradient - b.gradients.at(name)).to(at::kDouble).square().sum().item<double>();
    length += gradient.to(at::kDouble).square().sum().item<double>();
  }
  return std::max(std::abs(a.loss - b.loss), std::sqrt(off / length));
}

class Packing : public SelftestCheck {
 public:
  std::string title() const override { return "packed = one at a time"; }

  SelftestResult run(const SelftestBench& bench) const override {
    model::Model model = bench.load();
    const model::Model start = bench.load();
    model.trainable();
    double worst = 0;
    for (const char* name : {"sft", "dpo", "kto"}) {
      const auto method = algorithm::make_method(core::Value::scalar(name, false, "selftest"));
      training::DataStream rows(bench.open(method->shape()), {kPackedPairs, 0, false, 0});
      const auto step = training::assemble_step(rows.next(), *method, model.config(), rows.data().use());
      const auto packed =
          compute(model, start, step, *method, {.micro_batch_tokens = 4096, .share_prefixes = true});
      const auto single =
          compute(model, start, step, *method, {.micro_batch_tokens = 1, .share_prefixes = false});
      worst = std::max(worst, apart(packed, single));
    }
    return SelftestResult::within(worst, kGradientTolerance, "loss and gradient of sft, dpo and kto");
  }
};

}  // namespace

std::unique_ptr<SelftestCheck> selftest_packing() { return std::make_unique<Packing>(); }

}  // namespace attune::cli
