// Clip-Cov (Cui et al. 2025, arXiv:2505.22617, section 4): entropy falls by the tokens where log π and the advantage go together, so
// those alone are held back,
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε) A) · [t not dropped] + β k3 ]
//   Cov_t = (log π(y_t) − mean log π)(A − mean A), over the tokens of the step
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/base/group/group_policy_method.h"
#include "algorithm/part/covariance.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class ClipCov final : public GroupPolicyMethod {
 public:
  ClipCov() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "clip_cov";
    info.title = "Clip-Cov";
    info.paper = "Cui et al. 2025, arXiv:2505.22617, section 4";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε) A_i) · [t not dropped] + β k3 ],   dropped: the share of largest Cov_t = (log π(y_t) − mean)(A − mean) between low and high\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary = "GRPO that leaves out the few tokens whose learning would cost most entropy.";
    info.departures =
        "Of the tokens in the range those of largest covariance are dropped; the paper draws them at random.";
    return info;
  }
  Scope scope() const override { return Scope::kStep; }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("epsilon", epsilon_, "Ratios are clipped to [1 − epsilon, 1 + epsilon].").range(0, 1);
    fields.add("share", share_, "Share of the tokens that are dropped.").range(0, 1);
    fields.add("low", low_, "Covariance above which tokens may be dropped.");
    fields.add("high", high_, "Covariance below which they may.");
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& kept,
                        Metrics& /*metrics*/) const override {
    const at::Tensor advantages = spread(batch.fixed("advantages"), batch.offsets),
                     counted = spread(kept, batch.offsets);
    const at::Tensor cov = covariances(batch.signal("logps").detach(), advantages, counted);
    const at::Tensor rho = ratios.to_tokens(ratios.ratio, batch);
    const at::Tensor outside = at::logical_or(at::logical_and(rho > 1 + epsilon_, advantages > 0),
                                              at::logical_and(rho < 1 - epsilon_, advantages < 0));
    const at::Tensor eligible =
        (counted > 0).logical_and(cov > low_).logical_and(cov < high_).logical_and(outside.logical_not());
    const at::Tensor dropped = largest_share(cov, eligible, share_, counted.sum().item<double>());
    return -at::minimum(rho * advantages, rho.clamp(1 - epsilon_, 1 + epsilon_) * advantages) * (1 - dropped);
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  double epsilon_ = 0.2, share_ = 0.0002, low_ = 1, high_ = 5;
};

}  // namespace

std::unique_ptr<Method> method_clip_cov() { return std::make_unique<ClipCov>(); }

}  // namespace attune::algorithm
