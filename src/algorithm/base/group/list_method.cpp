#include "algorithm/base/group/list_method.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "algorithm/part/group_statistics.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

/// More is better: by reward alone, or by rank, else reward, else label. NaN where nothing is said.
double merit_of(const Candidate& candidate, bool by_reward) {
  if (!by_reward && candidate.rank) return -*candidate.rank;
  if (by_reward || candidate.reward) return record::reward_of(candidate);
  return candidate.label ? (*candidate.label ? 1 : 0) : std::numeric_limits<double>::quiet_NaN();
}

/// What the implicit rewards make of the order that the data ask for.
void add_order_metrics(const at::Tensor& rewards, const at::Tensor& outranks, Metrics& metrics) {
  const at::Tensor gaps = rewards.unsqueeze(1) - rewards.unsqueeze(0);
  const double pairs = outranks.sum().item<double>();
  fold(metrics, "rewards/accuracies", Metric::mean(((gaps > 0) * outranks).sum().item<double>(), pairs));
  fold(metrics, "rewards/margins", Metric::mean((gaps * outranks).sum().item<double>(), pairs));
}

}  // namespace

at::Tensor ListTerms::mean_logps() const { return logps / tokens.clamp_min(1); }

at::Tensor ListTerms::outranks() const { return (merits.unsqueeze(1) > merits.unsqueeze(0)).to(at::kDouble); }

core::Fields ListMethod::fields() {
  core::Fields fields;
  if (uses_beta()) {
    fields
        .add("beta", beta_, "What log-ratios to the reference are multiplied by: larger stays closer to it.")
        .positive();
  }
  declare(fields);
  return fields;
}

std::vector<Need> ListMethod::needs() const {
  std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}};
  if (uses_reference()) needs.push_back({"logps", Source::kReference});
  return with_token_metrics(std::move(needs));
}

void ListMethod::declare_reward_temperature(core::Fields& fields, double& alpha) {
  fields.add("alpha", alpha, "α, temperature of the given rewards: smaller heeds only the best.").positive();
}

at::Tensor ListMethod::merits_of(const Batch& batch) const {
  std::vector<double> merits;
  std::int64_t unusable = 0;
  std::string example;
  for (const Candidate& candidate : batch.candidates) {
    merits.push_back(merit_of(candidate, uses_rewards()));
    if (std::isfinite(merits.back())) continue;
    if (unusable++ == 0) example = fmt::format("candidate {} of group {}", candidate.index, candidate.group);
  }
  if (unusable > 0) {
    core::fail_request(
        "{} of {} candidates of this step have no finite {} ({} is the first), which method '{}' learns from",
        unusable, merits.size(), uses_rewards() ? "'reward'" : "'rank', 'reward' or 'label'", example,
        info().name);
  }
  return vector_of(merits);
}

at::Tensor ListMethod::implicit_rewards(const ListTerms& list) const {
  return uses_reference() ? beta_ * list.ratio : list.mean_logps();
}

void ListMethod::prepare(Batch& step, State& /*state*/, Metrics& metrics) const {
  if (!uses_rewards()) return;
  const auto groups = group_advantages(step.candidates, RewardScale::kGroup);
  add_reward_metrics(step.candidates, groups.no_spread, metrics);
}

Loss ListMethod::loss(const Batch& batch, const State& /*state*/) const {
  const at::Tensor merits = merits_of(batch), tokens = lengths(batch.offsets);
  const at::Tensor logps = segment_sum(batch.signal("logps"), batch.offsets);
  const at::Tensor ratio =
      uses_reference() ? logps - segment_sum(batch.signal("ref_logps").detach(), batch.offsets) : logps;
  Loss result;
  result.value = at::zeros({}, at::kDouble);
  for (const auto& [begin, end] : group_ranges(batch.candidates)) {
    const auto first = static_cast<std::int64_t>(begin), last = static_cast<std::int64_t>(end);
    const at::Tensor order =
        std::get<1>(merits.slice(0, first, last).sort(/*stable=*/true, 0, /*descending=*/true)) + first;
    const auto of = [&](const at::Tensor& numbers) { return numbers.index_select(0, order); };
    const ListTerms list{of(logps), of(ratio), of(tokens), order, of(merits)};
    double weight = 0;
    for (std::size_t i = begin; i < end; ++i)
      weight += batch.candidates[i].weight / static_cast<double>(end - begin);
    result.value = result.value + weight * list_loss(list, batch);
    add_order_metrics(implicit_rewards(list).detach(), list.outranks(), result.metrics);
  }
  result.value = result.value / batch.totals.groups;
  add_token_metrics(batch, result.metrics);
  return result;
}

}  // namespace attune::algorithm
