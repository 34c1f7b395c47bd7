// Hooks: what acts on the training loop and not on the loss (weight averaging, reference refresh). A hook is
// one class in a file of its own; a run makes those that its recipe asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "training/optimizer/optimizer.h"

namespace attune::training {

class Hook {
 public:
  virtual ~Hook() = default;
  /// Called after every update, with its number (1, 2, …).
  virtual void after_update(AdamW& optimizer, std::int64_t update) = 0;
  /// Exchanges the weights that are trained for those that are evaluated and published; a second call
  /// exchanges them back. Nothing where both are the same.
  virtual void exchange(AdamW& /*optimizer*/) {}
  /// What a checkpoint keeps, by names that no other hook uses. Empty before the first update only.
  virtual NamedTensors tensors() const = 0;
  /// Puts back what tensors() gave. @throws Error{kRequest} naming what is missing or has another shape
  virtual void restore(const NamedTensors& tensors, AdamW& optimizer, const std::string& where) = 0;
};

using Hooks = std::vector<std::unique_ptr<Hook>>;

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
