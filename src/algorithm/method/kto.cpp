// Kahneman–Tversky Optimization (Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7 and 8). Labels, no pairs.
// With Δ = Σ_t log π/π_ref of a completion and z₀ = max(0, mean of Δ over mismatched completions of the
// step), no gradient:
//
//   desirable:    λ_D (1 − σ(β (Δ − z₀)))
//   undesirable:  λ_U (1 − σ(β (z₀ − Δ)))
//
// averaged over all completions of the step.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/method.h"
#include "algorithm/segments.h"
#include "algorithm/token_metrics.h"

namespace attune::algorithm {

namespace {

struct Rows {
  std::vector<std::int64_t> index;
  std::vector<double> weight;
  at::Tensor of(const at::Tensor& values) const {
    return values.index_select(0, at::tensor(index, at::kLong));
  }
  Metric mean(const at::Tensor& values) const { return mean_metric(of(values)); }
};

class Kto final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "kto";
    info.title = "Kahneman–Tversky Optimization";
    info.paper = "Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7 and 8";
    info.formula =
        "L = mean of { λ_D (1 − σ(β (Δ − z₀))) for good, λ_U (1 − σ(β (z₀ − Δ))) for bad completions }\n"
        "Δ = Σ_t log π/π_ref,  z₀ = max(0, mean Δ over mismatched prompt–completion pairs), no gradient";
    info.summary = "Learns from single thumbs up or down, against how far the policy has moved on the whole.";
    info.departures =
        "z₀ is the mean over the whole optimiser step, not over a micro-batch, so it does not depend on "
        "how the step is split, and a step of one record works (its z₀ is then 0).";
    info.trl_names = {{"kto", "kto"}};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("beta", beta_, "Strength of the pull towards the reference: larger stays closer.").positive();
    fields.add("desirable_weight", desirable_weight_, "λ_D, weight of good completions.").non_negative();
    fields.add("undesirable_weight", undesirable_weight_, "λ_U, weight of bad completions.").non_negative();
    return fields;
  }
  std::vector<Need> needs() const override {
    return {{"logps", Source::kPolicy, Positions::kTokens, true},
            {"logps", Source::kReference},
            metric_need("entropy"),
            metric_need("mean_logit")};
  }
  Scope scope() const override { return Scope::kStep; }
  Feedback feedback() const override { return Feedback::kLabels; }
  Derived derived() const override { return Derived::kMismatched; }

  Loss loss(const Batch& batch, const State& /*state*/) const override {
    Rows good, bad, mismatched;
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const Candidate& candidate = batch.candidates[i];
      Rows& rows = candidate.role == Role::kDerived ? mismatched : (candidate.label ? good : bad);
      rows.index.push_back(i);
      rows.weight.push_back(candidate.weight);
    }
    const at::Tensor logps = segment_sum(batch.signal("logps"), batch.offsets);
    const at::Tensor ratio = logps - segment_sum(batch.signal("ref_logps").detach(), batch.offsets);
    const double kl = std::max(0.0, mismatched.index.empty() ? 0.0 : mismatched.mean(ratio).value());
    const at::Tensor good_loss = 1 - (beta_ * (good.of(ratio) - kl)).sigmoid();
    const at::Tensor bad_loss = 1 - (beta_ * (kl - bad.of(ratio))).sigmoid();
    Loss result;
    result.value = (desirable_weight_ * (good_loss * vector_of(good.weight)).sum() +
                    undesirable_weight_ * (bad_loss * vector_of(bad.weight)).sum()) /
                   batch.totals.candidates;
    result.metrics["kl"] = Metric::mean(kl, 1);
    add_class_metrics(good, bad, beta_ * ratio.detach(), logps.detach(), result.metrics);
    add_token_metrics(batch, result.metrics);
    add_logit_metrics(batch, result.metrics, [](const Candidate& c) { return c.label; });
    return result;
  }

 private:
  static void add_class_metrics(const Rows& good, const Rows& bad, const at::Tensor& rewards,
                                const at::Tensor& logps, Metrics& metrics) {
    if (!good.index.empty()) {
      metrics["rewards/chosen"] = good.mean(rewards);
      metrics["logps/chosen"] = good.mean(logps);
    }
    if (!bad.index.empty()) {
      metrics["rewards/rejected"] = bad.mean(rewards);
      metrics["logps/rejected"] = bad.mean(logps);
    }
    if (good.index.empty() || bad.index.empty()) return;
    metrics["rewards/margins"] = Metric::mean(good.mean(rewards).value() - bad.mean(rewards).value(), 1);
  }

  double beta_ = 0.1, desirable_weight_ = 1, undesirable_weight_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_kto() { return std::make_unique<Kto>(); }

}  // namespace attune::algorithm
