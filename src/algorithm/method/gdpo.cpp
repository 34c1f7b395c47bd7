// Group reward-decoupled normalisation (Liu et al. 2026, arXiv:2601.05242):
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ],   ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1
//   A = (S − mean of the step) / std of the step,   S = Σ_k w_k (r_k − mean of the group) / std of the group,  r_k: the scores of an answer
#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <vector>

#include "algorithm/base/clipped_policy_method.h"
#include "algorithm/part/group_statistics.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class Gdpo final : public ClippedPolicyMethod {
 public:
  Gdpo() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "gdpo";
    info.title = "Group reward-decoupled normalisation";
    info.paper = "Liu et al. 2026, arXiv:2601.05242";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ]\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (S_i − mean of step) / std of step,  S_i = Σ_k w_k (r_ik − mean of group) / std of group";
    info.summary =
        "GRPO for several rewards: each is normalised in its group before they are added, so that none drowns the others.";
    return info;
  }

 protected:
  bool scales_rewards() const override { return false; }
  void declare(core::Fields& fields) override {
    ClippedPolicyMethod::declare(fields);
    fields.add("scores", scores_, "Names of the scores; none: all that the first answer has, or its reward.");
    fields.add("weights", weights_, "w_k, one for each of them; none: 1.");
  }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    std::vector<double> sums(step.candidates.size(), 0);
    const std::vector<std::string> names = names_of(step);
    for (std::size_t k = 0; k < names.size(); ++k) {
      std::vector<Candidate> of_score = step.candidates;
      for (Candidate& candidate : of_score) candidate.reward = score_of(candidate, names[k]);
      const std::vector<double> own = group_advantages(of_score, RewardScale::kGroup).advantages;
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += (weights_.empty() ? 1 : weights_[k]) * own[i];
    }
    const MeanDeviation of_step = mean_deviation(sums);
    constexpr double kDeviationOfStep = 1e-4;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double a = (sums[i] - of_step.mean) / (of_step.deviation + kDeviationOfStep);
      result.advantages[i] = std::isfinite(a) ? a : 0;
    }
    return result;
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  std::vector<std::string> names_of(const Batch& step) const {
    std::vector<std::string> names = scores_;
    if (names.empty())
      for (const auto& [name, score] : step.candidates.front().scores) names.push_back(name);
    if (names.empty()) names.emplace_back();  // the reward
    if (!weights_.empty() && weights_.size() != names.size())
      core::fail_request("method.weights has {} numbers for {} scores", weights_.size(), names.size());
    return names;
  }
  static double score_of(const Candidate& candidate, const std::string& name) {
    if (name.empty()) return record::reward_of(candidate);
    const auto found = candidate.scores.find(name);
    if (found == candidate.scores.end())
      core::fail_request("candidate {} of group {} has no score '{}', which method 'gdpo' learns from",
                         candidate.index, candidate.group, name);
    return found->second;
  }

  std::vector<std::string> scores_;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<Method> method_gdpo() { return std::make_unique<Gdpo>(); }

}  // namespace attune::algorithm
