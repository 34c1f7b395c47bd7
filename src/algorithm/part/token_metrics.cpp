#include "algorithm/part/token_metrics.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/part/segments.h"

namespace attune::algorithm {

std::vector<Need> with_token_metrics(std::vector<Need> needs) {
  for (const char* signal : {"entropy", "argmax_hit"}) {
    Need metric = metric_need(signal);
    const bool read =
        std::ranges::any_of(needs, [&](const Need& known) { return known.key() == metric.key(); });
    if (!read) needs.push_back(std::move(metric));
  }
  return needs;
}

Metric mean_metric(const at::Tensor& values) {
  return Metric::mean(values.detach().sum().item<double>(), static_cast<double>(values.numel()));
}

Metric mean_metric(const at::Tensor& values, const at::Tensor& mask) {
  return Metric::mean((values.detach() * mask).sum().item<double>(), mask.sum().item<double>());
}

namespace {

Metric token_mean(const Batch& batch, const std::string& key, const CandidateFilter& keeps) {
  const at::Tensor sums = segment_sum(batch.signal(key).detach(), batch.offsets);
  double sum = 0, count = 0;
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    const Candidate& candidate = batch.candidates[i];
    if (candidate.role == Role::kDerived || (keeps && !keeps(candidate))) continue;
    sum += sums[i].item<double>();
    count += static_cast<double>(batch.offsets[i + 1] - batch.offsets[i]);
  }
  return Metric::mean(sum, count);
}

}  // namespace

void add_token_metrics(const Batch& batch, Metrics& metrics, const CandidateFilter& entropy_of,
                       const CandidateFilter& accuracy_of) {
  if (batch.has("entropy")) metrics["entropy"] = token_mean(batch, "entropy", entropy_of);
  if (batch.has("argmax_hit")) metrics["mean_token_accuracy"] = token_mean(batch, "argmax_hit", accuracy_of);
}

void add_logit_metrics(const Batch& batch, Metrics& metrics, const CandidateFilter& is_chosen) {
  if (!batch.has("mean_logit")) return;
  const Metric chosen = token_mean(batch, "mean_logit", is_chosen);
  const Metric rejected = token_mean(batch, "mean_logit", [&](const Candidate& c) { return !is_chosen(c); });
  if (chosen.count > 0) metrics["logits/chosen"] = chosen;
  if (rejected.count > 0) metrics["logits/rejected"] = rejected;
}

}  // namespace attune::algorithm
