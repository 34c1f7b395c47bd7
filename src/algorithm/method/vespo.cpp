// Variational Sequence-Level Soft Policy Optimization (arXiv:2602.10693): a Gamma-shaped weight of the whole
// sequence's ratio in place of the clip.
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −φ(w_i) A_i log π(y_t) + β k3 ],   w_i = π(y_i)/π_old(y_i),  φ(w) = e^λ w^k
//   e^(−λ w)
//
// with no gradient through φ, (k, λ) by the sign of A_i, log w within [log 1e-8, 20] and its terms within
// ±20, advantage A_i = (r_i − mean of the group) / (std + 1e-4) and k3 = π_ref/π − log(π_ref/π) − 1.
#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/base/group/group_policy_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

constexpr double kLargest = 20, kSmallest = 1e-8;
constexpr double kLeastLambda = 1e-4;

class Vespo final : public GroupPolicyMethod {
 public:
  Vespo() : GroupPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "vespo";
    info.title = "Variational Sequence-Level Soft Policy Optimization";
    info.paper = "arXiv:2602.10693";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −φ(w_i) A_i log π(y_t) + β k3 ],   φ(w) = e^λ w^k e^(−λ w), no "
        "gradient\n"
        "w_i = π(y_i)/π_old(y_i),  (k, λ) by the sign of A_i,  A_i = (r_i − mean of group) / (std of group + "
        "1e-4)";
    info.summary = "Weighs a completion smoothly by how far the policy has moved from the one that wrote it.";
    info.trl_names = {{"grpo", "vespo"}};
    info.stopped = {"logps"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("vespo_k_pos", k_positive_, "k where the advantage is not negative.").non_negative();
    fields.add("vespo_lambda_pos", lambda_positive_, "λ where the advantage is not negative.").non_negative();
    fields.add("vespo_k_neg", k_negative_, "k where the advantage is negative.").non_negative();
    fields.add("vespo_lambda_neg", lambda_negative_, "λ where the advantage is negative.").non_negative();
  }
  at::Tensor token_loss(const PolicyRatios& ratios, const Batch& batch, const at::Tensor& kept,
                        Metrics& metrics) const override {
    const at::Tensor& advantages = batch.fixed("advantages");
    const at::Tensor log_w = segment_sum(ratios.log_ratio.detach().clamp(-kLargest, kLargest), batch.offsets)
                                 .clamp(std::log(kSmallest), kLargest);
    const at::Tensor good = (advantages >= 0).to(at::kDouble);
    const at::Tensor k = good * k_positive_ + (1 - good) * k_negative_;
    const at::Tensor lambda =
        (good * lambda_positive_ + (1 - good) * lambda_negative_).clamp_min(kLeastLambda);
    const at::Tensor phi = (lambda + k * log_w - lambda * log_w.exp()).exp();
    metrics["vespo/phi_seq_mean"] =
        Metric::mean((phi * kept).sum().item<double>(), kept.sum().item<double>());
    return -spread(phi * advantages, batch.offsets) * batch.signal("logps");
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  double k_positive_ = 2, lambda_positive_ = 3, k_negative_ = 3, lambda_negative_ = 2;
};

}  // namespace

std::unique_ptr<Method> method_vespo() { return std::make_unique<Vespo>(); }

}  // namespace attune::algorithm
