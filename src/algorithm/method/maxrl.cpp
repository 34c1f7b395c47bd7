// Maximum likelihood RL (Tajwar et al. 2026, arXiv:2602.02710):
//
//   L = mean_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ],   ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1
//   A = (r − mean of the group) / mean of the group; 0 where the mean is not positive.
#include <ATen/ATen.h>

#include "algorithm/base/group/clipped_policy_method.h"
#include "algorithm/part/group_statistics.h"

namespace attune::algorithm {

namespace {

class MaxRl final : public ClippedPolicyMethod {
 public:
  MaxRl() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "maxrl";
    info.title = "Maximum likelihood RL";
    info.paper = "Tajwar et al. 2026, arXiv:2602.02710";
    info.formula =
        "L = mean_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ]\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of group) / mean of group, 0 where that mean is not positive";
    info.summary =
        "Learns hard prompts most: an advantage is divided by the mean reward of its prompt, which follows the log of the chance of being right.";
    info.departures =
        "Meant for rewards of 0 and 1; others are taken as they are, and a group whose mean is not positive teaches nothing: such rows are counted when data are read, and in frac_mean_not_positive.";
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    record::FeedbackNeeds needs = ClippedPolicyMethod::feedback_needs();
    needs.rows.push_back(teaching_group(
        "positive mean of rewards", "nothing is learned where the mean reward of a prompt is not positive",
        [](std::span<const Candidate> group) { return !(mean_of(group) > 0); }));
    return needs;
  }

 protected:
  bool scales_rewards() const override { return false; }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    for (std::size_t i = 0; i < result.advantages.size(); ++i) {
      const double mean = record::reward_of(step.candidates[i]) - result.advantages[i];
      result.advantages[i] = mean > 0 ? result.advantages[i] / mean : 0;
    }
    return result;
  }
  void add_step_metrics(const Batch& step, Metrics& metrics) const override {
    double groups = 0, idle = 0;
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      groups += 1;
      idle += mean_of(std::span(step.candidates).subspan(begin, end - begin)) > 0 ? 0 : 1;
    }
    metrics["frac_mean_not_positive"] = Metric::mean(idle, groups);
  }
  at::Tensor normaliser(const Batch& batch) const override {
    return at::full({batch.size()}, batch.totals.candidates, at::kDouble);
  }

 private:
  static double mean_of(std::span<const Candidate> group) {
    std::vector<double> rewards;
    for (const Candidate& candidate : group) rewards.push_back(record::reward_of(candidate));
    return mean_deviation(rewards).mean;
  }
};

}  // namespace

std::unique_ptr<Method> method_maxrl() { return std::make_unique<MaxRl>(); }

}  // namespace attune::algorithm
