// Group reward-decoupled normalisation (Liu et al. 2026, arXiv:2601.05242):
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ],   ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1
//   A = (S − mean of the step) / std of the step,   S = Σ_k w_k (r_k − mean of the group) / std of the group,  r_k: the scores of an answer
#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "algorithm/base/group/clipped_policy_method.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/scores.h"
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

  void check() const override {
    ClippedPolicyMethod::check();
    if (!weights_.empty() && weights_.size() != scores_.size())
      core::fail_request(
          "method.weights has {} numbers and method.scores names {}: name the score of each weight",
          weights_.size(), scores_.size());
  }
  record::FeedbackNeeds feedback_needs() const override {
    const std::string name = fmt::format("scores [{}]", fmt::join(scores_, ", "));
    const auto missing = [*this](std::span<const Candidate> group, std::span<const Pair>) {
      return missing_score(group, names_of(group));
    };
    const auto alike = [*this](std::span<const Candidate> group) {
      return std::ranges::all_of(rated(group), without_spread);
    };
    return {{required(name, "a score that gdpo adds is missing", missing),
             teaching_group("differing " + name,
                            "nothing is learned where all answers to a prompt have the same scores", alike)}};
  }

 protected:
  bool scales_rewards() const override { return false; }
  void declare(core::Fields& fields) override {
    ClippedPolicyMethod::declare(fields);
    fields.add(
        "scores", scores_,
        "Names of the scores; none: all that an answer to the prompt has, which each has to have, or the reward.");
    fields.add("weights", weights_, "w_k, one for each of the scores that are named; none: 1.");
  }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    std::vector<double> sums(step.candidates.size(), 0);
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      const auto scores = rated(std::span(step.candidates).subspan(begin, end - begin));
      for (std::size_t k = 0; k < scores.size(); ++k) {
        const std::vector<double> own = group_advantages(scores[k], RewardScale::kGroup).advantages;
        for (std::size_t i = 0; i < own.size(); ++i)
          sums[begin + i] += (weights_.empty() ? 1 : weights_[k]) * own[i];
      }
    }
    const MeanDeviation of_step = mean_deviation(sums);
    constexpr double kDeviationOfStep = 1e-4;
    for (std::size_t i = 0; i < sums.size(); ++i)
      result.advantages[i] = std::isfinite(of_step.deviation)
                                 ? (sums[i] - of_step.mean) / (of_step.deviation + kDeviationOfStep)
                                 : 0;
    return result;
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  std::vector<std::string> names_of(std::span<const Candidate> group) const {
    return scores_.empty() ? score_names(group) : scores_;
  }
  /// The answers with each of their scores as their reward in turn; without scores, as they are.
  std::vector<std::vector<Candidate>> rated(std::span<const Candidate> group) const {
    std::vector<std::vector<Candidate>> rated;
    for (const std::string& name : names_of(group))
      rated.push_back(rated_by(name, {group.begin(), group.end()}, info().name));
    if (rated.empty()) rated.emplace_back(group.begin(), group.end());
    return rated;
  }

  std::vector<std::string> scores_;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<Method> method_gdpo() { return std::make_unique<Gdpo>(); }

}  // namespace attune::algorithm
