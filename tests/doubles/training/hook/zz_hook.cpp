// A double that uses all of the hooks' seam: it drops groups of a step and weighs the others by what the
// metrics of updates so far were, keeps that over a kill, publishes other weights than those that are trained,
// and moves the reference.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "core/error.h"
#include "training/hook.h"
#include "training/step/keep.h"

namespace attune::training {
namespace {

constexpr std::int64_t kAskingSeed = 4711;

class ZzHook final : public Hook {
 public:
  HookInfo info() const override {
    return {"zz_hook", "Drops groups, weighs the others, publishes the weights of the first update.",
            "nobody"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("drop", drop_, "Groups of rows whose number this divides are dropped; 0: none.").range(0, 1e6);
    fields.add("metric", metric_, "What weights follow; empty: they stay.");
    fields.add("publish_first", publish_first_, "Whether the first update's weights are published.");
    return fields;
  }
  bool asked_by(const TrainRecipe& recipe) override {
    drop_ = recipe.training.batch_size;
    return recipe.seed == kAskingSeed;
  }
  void require(const TrainRecipe& recipe) const override {
    if (drop_ == 1 && recipe.training.batch_size > 0)
      core::fail_request("hooks: zz_hook.drop=1 leaves nothing of any batch");
  }

  void begin(const HookSite& site) override {
    policy_ = &site.policy;
    reference_ = site.moving_reference;
  }
  void before_step(Step& step) override {
    std::vector<std::int64_t> kept;
    for (std::int64_t i = 0; i < step.size(); ++i)
      if (drop_ == 0 || step.rows[static_cast<std::size_t>(i)] % drop_ != 0) kept.push_back(i);
    keep_candidates(step, kept);
    for (auto& candidate : step.candidates) candidate.weight *= pace_;
  }
  void after_update(const Updated& updated) override {
    const c10::NoGradGuard no_grad;
    const auto found = updated.metrics.find(metric_);
    if (found != updated.metrics.end()) pace_ = (pace_ + 1 / (1 + std::exp(-found->second.value()))) / 2;
    if (reference_ != nullptr) reference_->move_towards(*policy_, 0.5);
    if (!publish_first_ || !held_.empty()) return;
    updated.optimizer.for_each_weight(
        [&](const std::string& name, at::Tensor& weight) { held_[name] = weight.clone(); });
  }
  void exchange(AdamW& optimizer) override {
    if (held_.empty()) return;
    const c10::NoGradGuard no_grad;
    optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
      const at::Tensor trained = weight.clone();
      weight.copy_(held_.at(name));
      held_.at(name).copy_(trained);
    });
    optimizer.publish();
  }
  NamedTensors tensors() const override {
    NamedTensors named = {{"zz.pace", at::tensor({pace_}, at::kDouble)}};
    for (const auto& [name, weight] : held_) named["zz.held." + name] = weight;
    return named;
  }
  void restore(const NamedTensors& tensors, AdamW& optimizer, const std::string& where) override {
    const c10::NoGradGuard no_grad;
    pace_ = kept_tensor(tensors, "zz.pace", at::zeros({1}, at::kDouble), where).item<double>();
    if (!publish_first_) return;
    optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
      held_[name] = kept_tensor(tensors, "zz.held." + name, weight, where).clone();
    });
  }

 private:
  std::int64_t drop_ = 0;
  std::string metric_;
  bool publish_first_ = false;
  const model::Model* policy_ = nullptr;
  model::Model* reference_ = nullptr;
  double pace_ = 1;
  NamedTensors held_;  ///< weights of the first update; while they are published, the trained ones
};

}  // namespace

std::unique_ptr<Hook> hook_zz_hook() { return std::make_unique<ZzHook>(); }

}  // namespace attune::training
