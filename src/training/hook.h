// Hooks: what acts on the training loop and not on the loss (weight averaging, reference refresh). Each is
// one file in training/hook/. A recipe asks for one by `hooks=[NAME | {name: NAME, options …}]`, or by a
// setting of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithm/method.h"
#include "training/optimizer/optimizer.h"
#include "training/options.h"
#include "training/step/step.h"
#include "training/tensor_file.h"

namespace attune::training {

struct HookInfo {
  std::string name, summary, paper;
};

/// What a hook may hold on to while a run lasts.
struct HookSite {
  const model::Model& policy;
  model::Model* moving_reference = nullptr;  ///< with reference.sync: whole weights, changed in place
};

/// An update that has just been made.
struct Updated {
  AdamW& optimizer;
  std::int64_t update;  ///< 1, 2, …
  const algorithm::Metrics& metrics;
};

class Hook {
 public:
  virtual ~Hook() = default;
  virtual HookInfo info() const = 0;
  /// The typed options; pointers into this object.
  virtual core::Fields fields() { return {}; }
  /// Whether settings of the recipe ask for it that are older than `hooks`; takes its options from them.
  virtual bool asked_by(const TrainRecipe& /*recipe*/) { return false; }
  /// @throws Error{kRequest}: a run of this recipe cannot have the hook
  virtual void require(const TrainRecipe& /*recipe*/) const {}
  /// Called once before the first update.
  virtual void begin(const HookSite& /*site*/) {}
  /// A step before anything is computed on it: its candidates may be changed or dropped.
  virtual void before_step(Step& /*step*/) {}
  virtual void after_update(const Updated& /*updated*/) {}
  /// Exchanges the weights that are trained for those that are evaluated and published; a second call
  /// exchanges them back. Nothing where both are the same.
  virtual void exchange(AdamW& /*optimizer*/) {}
  /// What a checkpoint keeps, by names that no other hook uses. Empty before the first update only.
  virtual NamedTensors tensors() const { return {}; }
  /// Puts back what tensors() gave. @throws Error{kRequest} naming what is missing or has another shape
  virtual void restore(const NamedTensors& /*tensors*/, AdamW& /*optimizer*/, const std::string& /*where*/) {}
};

using Hooks = std::vector<std::unique_ptr<Hook>>;

/// Generated list: file name → factory.
const std::vector<std::pair<std::string_view, std::unique_ptr<Hook> (*)()>>& hook_entries();

/// Those that the recipe asks for, with their options. @throws Error{kRequest} naming the nearest name, or
/// what a hook needs of the recipe
Hooks make_hooks(const TrainRecipe& recipe);

/// While it lives, the model holds the weights that are evaluated, sampled from and published.
class PublishedWeights {
 public:
  PublishedWeights(std::span<const std::unique_ptr<Hook>> hooks, AdamW& optimizer)
      : hooks_(hooks), optimizer_(optimizer) {
    exchange();
  }
  ~PublishedWeights() { exchange(); }
  PublishedWeights(const PublishedWeights&) = delete;
  PublishedWeights& operator=(const PublishedWeights&) = delete;

 private:
  void exchange() {
    for (const auto& hook : hooks_) hook->exchange(optimizer_);
  }
  std::span<const std::unique_ptr<Hook>> hooks_;
  AdamW& optimizer_;
};

}  // namespace attune::training
