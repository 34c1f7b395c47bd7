// Divergence PPO (Qi et al. 2026, arXiv:2602.04879): a token is left out once its probability, not its ratio, has moved too far in
// the direction of its advantage, so that rare tokens are not cut off for small changes,
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −ρ A · [D ≤ δ or ρ moves against A] + β k3 ],   ρ = π/π_old
//   tv:  D = |π(y_t) − π_old(y_t)|
//   kl:  D = π_old log π_old/π + (1 − π_old) log (1 − π_old)/(1 − π)
#include <ATen/ATen.h>

#include <string>

#include "algorithm/base/group/group_policy_method.h"

namespace attune::algorithm {

namespace {

class Dppo final : public GroupPolicyMethod {
 public:
  Dppo() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "dppo";
    info.title = "Divergence PPO";
    info.paper = "Qi et al. 2026, arXiv:2602.04879";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −ρ A_i · [D ≤ δ or (ρ − 1) A_i ≤ 0] + β k3 ],   D = |π(y_t) − π_old(y_t)|, or the binary KL\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / (std of group + 1e-4)";
    info.summary =
        "GRPO whose trust region is about probabilities instead of ratios: rare tokens may still move.";
    info.departures = "The divergences are the paper's binary ones: the token against all others.";
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields
        .add("divergence", divergence_,
             "D: the total variation of the token against all others, or their KL.")
        .one_of({"tv", "kl"});
    fields.add("threshold", threshold_, "δ, how far a token's probability may move.").positive();
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& /*kept*/,
                        Metrics& /*metrics*/) const override {
    const at::Tensor far =
        moved(batch.signal("logps").detach(), batch.signal("old_logps").detach()) > threshold_;
    const at::Tensor rho = ratios.to_tokens(ratios.ratio, batch),
                     a = ratios.to_tokens(ratios.advantages, batch);
    const at::Tensor out = far.logical_and((rho.detach() - 1) * a > 0);
    return -rho * a * out.logical_not().to(at::kDouble);
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  at::Tensor moved(const at::Tensor& logps, const at::Tensor& old) const {
    const at::Tensor p = logps.exp(), q = old.exp();
    if (divergence_ == "tv") return (p - q).abs();
    constexpr double kCertain = -1e-12;  // log(1 − π) of a probability of 1
    const auto log_rest = [](const at::Tensor& l) { return (-at::expm1(l.clamp_max(kCertain))).log(); };
    return q * (old - logps) + (1 - q) * (log_rest(old) - log_rest(logps));
  }

  std::string divergence_ = "tv";
  double threshold_ = 0.2;
};

}  // namespace

std::unique_ptr<Method> method_dppo() { return std::make_unique<Dppo>(); }

}  // namespace attune::algorithm
