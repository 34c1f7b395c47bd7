// TR-DPO's moving reference (Gorbatovski et al. 2024, arXiv:2404.09656, eq. 5 and 6): every τ updates the
// frozen model that methods compare with is drawn towards the policy,
//
//   π_ref ← α · π + (1 − α) · π_ref          weight by weight; α = 1 replaces it
//
// as TRL's sync_ref_model does, for every method that reads a reference. An adapter counts with its effect:
// the whole matrices W + s·B·A are mixed, so it works for LoRA runs too.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"
#include "training/hook.h"

namespace attune::training {
namespace {

constexpr const char* kReferencePrefix = "reference.";  // in checkpoints

class MovingReference final : public Hook {
 public:
  HookInfo info() const override {
    return {"moving_reference", "Draws the reference towards the policy every few updates (reference.sync).",
            "Gorbatovski et al. 2024, arXiv:2404.09656, eq. 5 and 6"};
  }
  bool asked_by(const TrainRecipe& recipe) override {
    alpha_ = recipe.reference.mixup_alpha;
    every_ = recipe.reference.sync_steps;
    return recipe.reference.sync;
  }
  void require(const TrainRecipe& recipe) const override {
    if (!recipe.reference.sync)
      core::fail_request(
          "hooks: moving_reference needs reference.sync=true, which gives the run a reference of its own");
  }
  void begin(const HookSite& site) override {
    policy_ = &site.policy;
    reference_ = site.moving_reference;
  }
  void after_update(const Updated& updated) override {
    if (updated.update % every_ == 0) reference_->move_towards(*policy_, alpha_);
  }
  NamedTensors tensors() const override {
    NamedTensors named;
    for (auto& [name, tensor] : reference_->named_weights()) named[kReferencePrefix + name] = tensor;
    return named;
  }
  void restore(const NamedTensors& tensors, AdamW& /*optimizer*/, const std::string& where) override {
    const c10::NoGradGuard no_grad;
    for (auto& [name, weight] : reference_->named_weights())
      weight.copy_(kept_tensor(tensors, kReferencePrefix + name, weight, where));
  }

 private:
  const model::Model* policy_ = nullptr;
  model::Model* reference_ = nullptr;
  double alpha_ = 0.6;
  std::int64_t every_ = 512;
};

}  // namespace

std::unique_ptr<Hook> hook_moving_reference() { return std::make_unique<MovingReference>(); }

}  // namespace attune::training
