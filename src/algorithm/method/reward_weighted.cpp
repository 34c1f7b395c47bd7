// Reward-weighted likelihood (for images Lee et al. 2023, arXiv:2302.12192, eq. 3): every answer is imitated as much as it was
// found good,
//
//   L = −mean_i r_i mean_t log π(y_t)
#include <ATen/ATen.h>

#include "algorithm/base/group/weighted_likelihood.h"

namespace attune::algorithm {

namespace {

class RewardWeighted final : public WeightedLikelihood {
 public:
  RewardWeighted() : WeightedLikelihood(Baseline::kNone) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "reward_weighted";
    info.title = "Reward-weighted likelihood";
    info.paper = "Lee et al. 2023, arXiv:2302.12192, eq. 3; Peters & Schaal 2007";
    info.formula = "L = −mean_i r_i mean_t log π(y_t)";
    info.summary = "SFT on rated answers, each counted by its reward; a negative one is unlearned.";
    info.departures =
        "Rewards are taken as they are. The likelihood of pre-training data beside it is a second entry of the list of methods, with its own weight.";
    info.learning_rate = 2e-5;
    info.family = Family::kPoint;
    info.rows = {"S17", "T17"};
    return info;
  }

 protected:
  double weight_of(double reward, double /*log_ratio*/) const override { return reward; }
};

}  // namespace

std::unique_ptr<Method> method_reward_weighted() { return std::make_unique<RewardWeighted>(); }

}  // namespace attune::algorithm
