// Soft Adaptive Policy Optimization (arXiv:2511.20347, eq. 3 and 4): a smooth gate in place of the clip.
//
//   L = mean_i (1/|y_i|) Σ_t [ −(4/τ) σ(τ (ρ − 1)) A_i + β k3 ],   ρ = π(y_t)/π_old(y_t),  τ = τ_pos if A_i >
//   0 else τ_neg
//
// with advantage A_i = (r_i − mean of the group) / (std + 1e-4) and k3 = π_ref/π − log(π_ref/π) − 1. At ρ = 1
// the gradient is that of GRPO; it fades as ρ leaves 1.
#include <ATen/ATen.h>

#include "algorithm/base/group/group_policy_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class Sapo final : public GroupPolicyMethod {
 public:
  Sapo() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "sapo";
    info.title = "Soft Adaptive Policy Optimization";
    info.paper = "arXiv:2511.20347, eq. 3 and 4";
    info.formula =
        "L = mean_i (1/|y_i|) Σ_t [ −(4/τ) σ(τ (ρ − 1)) A_i + β k3 ],   τ = τ_pos if A_i > 0 else τ_neg\n"
        "ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary = "GRPO whose clip is a smooth gate: off-policy tokens fade instead of being cut off.";
    info.trl_names = {{"grpo", "sapo"}};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("sapo_temperature_pos", positive_, "τ_pos: how fast tokens of good completions fade.")
        .positive();
    fields.add("sapo_temperature_neg", negative_, "τ_neg: how fast tokens of bad completions fade.")
        .positive();
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& /*kept*/,
                        Metrics& /*metrics*/) const override {
    const at::Tensor good = (ratios.advantages > 0).to(at::kDouble);
    const at::Tensor temperature = good * positive_ + (1 - good) * negative_;
    const at::Tensor gate = (temperature * (ratios.ratio - 1)).sigmoid() * 4 / temperature;
    return ratios.to_tokens(-gate * ratios.advantages, batch);
  }
  at::Tensor normaliser(const Batch& batch) const override {
    return lengths(batch.offsets).clamp_min(1) * batch.totals.candidates;
  }

 private:
  double positive_ = 1, negative_ = 1.05;
};

}  // namespace

std::unique_ptr<Method> method_sapo() { return std::make_unique<Sapo>(); }

}  // namespace attune::algorithm
