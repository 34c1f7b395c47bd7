// The moving average of the trained weights (EMA): smoother than the last weights, and often better on
// held-out data (Polyak & Juditsky 1992; InstructGPT averages with 0.992, Ouyang et al. 2022,
// arXiv:2203.02155).
//
//   average ← decay · average + (1 − decay) · weights       after every update; it starts as the first
//   update's weights
//
// as torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay). Evaluations, samples, the model
// folders of checkpoints and the result have the averaged weights; training goes on with its own. The factors
// of an adapter are averaged one by one.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "training/hook.h"

namespace attune::training {
namespace {

constexpr std::string_view kAverage = "average.";  // prefix in checkpoints

class WeightAverage final : public Hook {
 public:
  HookInfo info() const override {
    return {"weight_average", "Evaluates and publishes a moving average of the weights (training.ema_decay).",
            "Polyak & Juditsky 1992; Ouyang et al. 2022, arXiv:2203.02155"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("decay", decay_, "Share of the old average that stays at each update.").range(0, 1);
    return fields;
  }
  bool asked_by(const TrainRecipe& recipe) override {
    decay_ = recipe.training.ema_decay;
    return decay_ > 0;
  }
  void after_update(const Updated& updated) override {
    const c10::NoGradGuard no_grad;
    updated.optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
      const auto [place, fresh] = averages_.try_emplace(name);
      if (fresh)
        place->second = weight.clone();
      else
        place->second.lerp_(weight, 1 - decay_);
    });
  }
  void exchange(AdamW& optimizer) override {
    if (averages_.empty()) return;
    c10::NoGradGuard no_grad;
    optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
      at::Tensor& average = averages_.at(name);
      const at::Tensor kept = weight.clone();
      weight.copy_(average);
      average.copy_(kept);
    });
    optimizer.publish();
  }
  NamedTensors tensors() const override {
    NamedTensors named;
    for (const auto& [name, average] : averages_) named[std::string(kAverage) + name] = average;
    return named;
  }
  void restore(const NamedTensors& tensors, AdamW& optimizer, const std::string& where) override {
    c10::NoGradGuard no_grad;
    optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
      averages_[name] = at::empty_like(weight);
      averages_[name].copy_(kept_tensor(tensors, std::string(kAverage) + name, weight, where));
    });
  }

 private:
  double decay_ = 0.992;
  NamedTensors averages_;  ///< by parameter; empty before the first update
};

}  // namespace

std::unique_ptr<Hook> hook_weight_average() { return std::make_unique<WeightAverage>(); }

}  // namespace attune::training
