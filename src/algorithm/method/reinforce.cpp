// REINFORCE (Williams 1992) with the running mean of rewards as its baseline:
//
//   L = −mean_i (r_i − b) Σ_t log π(y_t),   b ← b + (1 − d)(mean r − b) after each step, from the mean of the first
#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "algorithm/method.h"
#include "algorithm/part/candidates.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Reinforce final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "reinforce";
    info.title = "REINFORCE";
    info.paper = "Williams 1992";
    info.formula = "L = −mean_i (r_i − b) Σ_t log π(y_t),   b: running mean of rewards, or 0";
    info.summary = "Raises what was better than usual and lowers what was worse.";
    info.departures = "There is no importance weight: answers count as sampled by the policy as it is.";
    info.rows = {"T08"};
    info.family = Family::kPoint;
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("baseline", baseline_, "b: the running mean of rewards, or none.").one_of({"running", "none"});
    fields.add("decay", decay_, "d, how much of the baseline remains after a step.").range(0, 1);
    return fields;
  }
  std::vector<Need> needs() const override {
    return with_token_metrics({{"logps", Source::kPolicy, Positions::kTokens, true}});
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kGroups; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kRewards}; }
  void prepare(Batch& step, State& state, Metrics& metrics) const override {
    const GroupAdvantages groups = group_advantages(step.candidates, RewardScale::kNone);
    std::vector<double> rewards;
    for (const Candidate& candidate : step.candidates) rewards.push_back(record::reward_of(candidate));
    const double mean = mean_deviation(rewards).mean, usual = std::isnan(mean) ? 0 : mean;
    double& baseline = state.try_emplace("baseline", std::vector{usual}).first->second[0];
    for (double& reward : rewards)
      reward = std::isnan(reward) ? 0 : reward - (baseline_ == "none" ? 0 : baseline);
    step.fix("advantages", Positions::kLast, vector_of(rewards));
    baseline += (1 - decay_) * (usual - baseline);
    add_reward_metrics(step.candidates, groups.no_spread, metrics);
  }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    Loss result;
    result.value = -(segment_sum(batch.signal("logps"), batch.offsets) * batch.fixed("advantages") *
                     weights_of(batch.candidates))
                        .sum() /
                   batch.totals.candidates;
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  std::string baseline_ = "running";
  double decay_ = 0.9;
};

}  // namespace

std::unique_ptr<Method> method_reinforce() { return std::make_unique<Reinforce>(); }

}  // namespace attune::algorithm
