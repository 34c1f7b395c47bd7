#include "algorithm/base/point/unpaired_method.h"

#include <ATen/ATen.h>

#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

/// The completions of one kind.
struct Rows {
  std::vector<std::int64_t> index;
  std::vector<double> weight;
  at::Tensor of(const at::Tensor& values) const {
    return values.index_select(0, at::tensor(index, at::kLong));
  }
  Metric mean(const at::Tensor& values) const { return mean_metric(of(values)); }
};

void add_class_metrics(const Rows& good, const Rows& bad, const at::Tensor& rewards, const at::Tensor& logps,
                       Metrics& metrics) {
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

}  // namespace

core::Fields UnpairedMethod::fields() {
  core::Fields fields;
  fields.add("beta", beta_, "Strength of the pull towards the reference: larger stays closer.").positive();
  fields.add("desirable_weight", desirable_weight_, "λ_D, weight of good completions.").non_negative();
  fields.add("undesirable_weight", undesirable_weight_, "λ_U, weight of bad completions.").non_negative();
  return fields;
}

std::vector<Need> UnpairedMethod::needs() const {
  return {{"logps", Source::kPolicy, Positions::kTokens, true},
          {"logps", Source::kReference},
          metric_need("entropy"),
          metric_need("mean_logit")};
}

Loss UnpairedMethod::loss(const Batch& batch, const State& /*state*/) const {
  Rows good, bad, mismatched;
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    const Candidate& candidate = batch.candidates[i];
    Rows& rows = candidate.role == Role::kDerived ? mismatched : (record::is_good(candidate) ? good : bad);
    rows.index.push_back(i);
    rows.weight.push_back(candidate.weight);
  }
  const at::Tensor logps = segment_sum(batch.signal("logps"), batch.offsets);
  const at::Tensor ratio = logps - segment_sum(batch.signal("ref_logps").detach(), batch.offsets);
  const double kl = anchor(mismatched.of(ratio.detach()));
  const at::Tensor good_losses = good_loss(beta_ * good.of(ratio), beta_ * kl);
  const at::Tensor bad_losses = bad_loss(beta_ * bad.of(ratio), beta_ * kl);
  Loss result;
  result.value = (desirable_weight_ * (good_losses * vector_of(good.weight)).sum() +
                  undesirable_weight_ * (bad_losses * vector_of(bad.weight)).sum()) /
                 batch.totals.candidates;
  result.metrics["kl"] = Metric::mean(kl, 1);
  add_class_metrics(good, bad, beta_ * ratio.detach(), logps.detach(), result.metrics);
  add_token_metrics(batch, result.metrics);
  add_logit_metrics(batch, result.metrics, record::is_good);
  return result;
}

}  // namespace attune::algorithm
