// Optimal-advantage policy optimisation, A*-PO (Brantley et al. 2025, arXiv:2505.20686, eq. 5 and 6): the best value that a policy
// near the reference can have is estimated from answers of the reference, once; then log-ratios regress to advantages,
//
//   L = mean_i (β₂ Σ_t log π/π_ref − (r_i − V*))²,   V* = β₁ log mean_j e^(r_j/β₁) over the group
#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/method.h"
#include "algorithm/part/candidates.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/row_needs.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class A2po final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "a2po";
    info.title = "Optimal Advantage Policy Optimization (A*-PO)";
    info.paper = "Brantley et al. 2025, arXiv:2505.20686, eq. 5 and 6";
    info.formula =
        "L = mean_i (β₂ Σ_t log π/π_ref − (r_i − V*))²,   V* = β₁ log mean_j e^(r_j/β₁) over the group";
    info.summary =
        "Fits log-ratios to how much better an answer is than the best that a policy near the reference can expect.";
    info.departures =
        "The value is that of the answers of the data, which stand for samples of the reference. Prompts that no answer solves are not left out.";
    info.trl_names = {{"a2po", ""}};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("beta1", beta1_, "β₁, temperature of the value: smaller comes nearer the best answer.")
        .positive();
    fields.add("beta2", beta2_, "β₂, weight of staying near the reference in the optimum.").positive();
    return fields;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true},
                               {"logps", Source::kReference}};
    return with_token_metrics(std::move(needs));
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kGroups; }
  record::FeedbackNeeds feedback_needs() const override { return {{differing_rewards()}}; }
  void prepare(Batch& step, State& /*state*/, Metrics& metrics) const override {
    const GroupAdvantages groups = group_advantages(step.candidates, RewardScale::kNone);
    std::vector<double> advantages, rated;
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      std::vector<double> rewards;
      for (std::size_t i = begin; i < end; ++i)
        if (!std::isnan(record::reward_of(step.candidates[i])))
          rewards.push_back(record::reward_of(step.candidates[i]));
      const auto count = static_cast<double>(rewards.size());
      const double value =
          rewards.empty()
              ? 0
              : beta1_ * ((vector_of(rewards) / beta1_).logsumexp(0).item<double>() - std::log(count));
      for (std::size_t i = begin; i < end; ++i) {
        const double reward = record::reward_of(step.candidates[i]);
        rated.push_back(std::isnan(reward) ? 0 : 1);
        advantages.push_back(std::isnan(reward) ? 0 : reward - value);
      }
    }
    step.fix("advantages", Positions::kLast, vector_of(advantages));
    step.fix("rated", Positions::kLast, vector_of(rated));
    add_reward_metrics(step.candidates, groups.no_spread, metrics);
  }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    const at::Tensor ratio =
        segment_sum(batch.signal("logps") - batch.signal("ref_logps").detach(), batch.offsets);
    Loss result;
    result.value = ((beta2_ * ratio - batch.fixed("advantages")).square() * batch.fixed("rated") *
                    weights_of(batch.candidates))
                       .sum() /
                   batch.totals.candidates;
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  double beta1_ = 0.5, beta2_ = 0.001;
};

}  // namespace

std::unique_ptr<Method> method_a2po() { return std::make_unique<A2po>(); }

}  // namespace attune::algorithm
