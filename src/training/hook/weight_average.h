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
#pragma once

#include "training/hook.h"

namespace attune::training {

class WeightAverage final : public Hook {
 public:
  /// @param decay in [0, 1): share of the old average that stays at each update
  explicit WeightAverage(double decay) : decay_(decay) {}
  void after_update(AdamW& optimizer, std::int64_t update) override;
  void exchange(AdamW& optimizer) override;
  NamedTensors tensors() const override;
  void restore(const NamedTensors& tensors, AdamW& optimizer, const std::string& where) override;

 private:
  double decay_;
  NamedTensors averages_;  ///< by parameter; empty before the first update
};

}  // namespace attune::training
