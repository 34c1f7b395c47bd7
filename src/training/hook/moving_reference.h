// TR-DPO's moving reference (Gorbatovski et al. 2024, arXiv:2404.09656, eq. 5 and 6): every τ updates the
// frozen model that methods compare with is drawn towards the policy,
//
//   π_ref ← α · π + (1 − α) · π_ref          weight by weight; α = 1 replaces it
//
// as TRL's sync_ref_model does, for every method that reads a reference. An adapter counts with its effect:
// the whole matrices W + s·B·A are mixed, so it works for LoRA runs too.
#pragma once

#include "model/model.h"
#include "training/hook.h"

namespace attune::training {

class ReferenceSync final : public Hook {
 public:
  /// @param reference a model of the policy's shape without an adapter; its weights are changed in place
  /// @param alpha in [0, 1]; @param every updates between refreshes, at least 1
  ReferenceSync(const model::Model& policy, model::Model& reference, double alpha, std::int64_t every)
      : policy_(policy), reference_(reference), alpha_(alpha), every_(every) {}
  void after_update(AdamW& optimizer, std::int64_t update) override;
  NamedTensors tensors() const override;
  void restore(const NamedTensors& tensors, AdamW& optimizer, const std::string& where) override;

 private:
  const model::Model& policy_;
  model::Model& reference_;
  double alpha_;
  std::int64_t every_;
};

}  // namespace attune::training
