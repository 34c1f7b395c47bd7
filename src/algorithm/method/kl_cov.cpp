// KL-Cov (Cui et al. 2025, arXiv:2505.22617, section 4): entropy falls by the tokens where log π and the advantage go together, so
// those alone are held back,
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −ρ A + c |log ρ| · [t among the share of largest Cov_t] + β k3 ]
//   Cov_t = (log π(y_t) − mean log π)(A − mean A), over the tokens of the step
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/base/group/group_policy_method.h"
#include "algorithm/part/covariance.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class KlCov final : public GroupPolicyMethod {
 public:
  KlCov() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "kl_cov";
    info.title = "KL-Cov";
    info.paper = "Cui et al. 2025, arXiv:2505.22617, section 4";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −ρ A_i + c |log ρ| · [t among the share of largest Cov] + β k3 ],   Cov_t = (log π(y_t) − mean)(A − mean)\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary =
        "GRPO without a clip that ties the few tokens to the old policy which would cost most entropy.";
    info.stopped = {"logps"};  // in the covariance that chooses the tokens
    return info;
  }
  Scope scope() const override { return Scope::kStep; }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("share", share_, "Share of the tokens that are held back.").range(0, 1);
    fields.add("kl_coef", kl_coef_, "c, how strongly.").non_negative();
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& kept,
                        Metrics& /*metrics*/) const override {
    const at::Tensor advantages = spread(batch.fixed("advantages"), batch.offsets),
                     counted = spread(kept, batch.offsets);
    const at::Tensor cov = covariances(batch.signal("logps").detach(), advantages, counted);
    const at::Tensor held = largest_share(cov, counted > 0, share_, counted.sum().item<double>());
    return -ratios.to_tokens(ratios.ratio * ratios.advantages, batch) +
           kl_coef_ * held * ratios.log_ratio.abs();
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  double share_ = 0.0002, kl_coef_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_kl_cov() { return std::make_unique<KlCov>(); }

}  // namespace attune::algorithm
