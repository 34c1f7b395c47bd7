// REINFORCE++ (Hu et al. 2025, arXiv:2501.03262):
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ],   ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1
//   A = (r − mean of the step) / std of the step; with baseline: group r is first taken from the mean of its group.
#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "algorithm/base/group/clipped_policy_method.h"
#include "algorithm/part/group_statistics.h"

namespace attune::algorithm {

namespace {

class ReinforcePp final : public ClippedPolicyMethod {
 public:
  ReinforcePp() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "reinforce_pp";
    info.title = "REINFORCE++";
    info.paper = "Hu et al. 2025, arXiv:2501.03262";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ]\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (r_i − mean of the step) / std of the step";
    info.summary =
        "PPO without a value model whose advantages are normalised over the whole step instead of a group.";
    info.departures =
        "The KL penalty is a term of the loss (k3), where the paper takes it from the rewards of tokens.";
    info.stands_in_for = {{{"reinforce_plus_plus", "reinforce++"}, "by the name it has here"}};
    info.rows = {"T10"};
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    if (baseline_ == "group") return ClippedPolicyMethod::feedback_needs();
    return {{}, record::Contrast::kRewards};
  }

 protected:
  bool scales_rewards() const override { return false; }
  void declare(core::Fields& fields) override {
    ClippedPolicyMethod::declare(fields);
    fields
        .add("baseline", baseline_,
             "Taken from a reward before the step is normalised: the mean of its group, or nothing.")
        .one_of({"none", "group"});
  }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    constexpr double kLeastDeviation = 1e-8;
    std::vector<double> rewards = result.advantages;
    if (baseline_ == "none")
      for (std::size_t i = 0; i < rewards.size(); ++i) rewards[i] = record::reward_of(step.candidates[i]);
    const MeanDeviation of_step = mean_deviation(rewards);
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      const double a = (rewards[i] - of_step.mean) / (of_step.deviation + kLeastDeviation);
      result.advantages[i] = std::isfinite(a) ? a : 0;
    }
    return result;
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  std::string baseline_ = "none";
};

}  // namespace

std::unique_ptr<Method> method_reinforce_pp() { return std::make_unique<ReinforcePp>(); }

}  // namespace attune::algorithm
