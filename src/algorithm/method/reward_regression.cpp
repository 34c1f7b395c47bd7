// Value learning from ratings (Wang et al. 2024, arXiv:2403.04204, eq. 3): the score of an answer is its rating,
//
//   L = mean of (s − r)²
#include <ATen/ATen.h>

#include "algorithm/base/point/score_method.h"
#include "algorithm/part/candidates.h"

namespace attune::algorithm {

namespace {

class RewardRegression final : public ScoreMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "reward_regression";
    info.title = "Reward regression";
    info.paper = "Wang et al. 2024, arXiv:2403.04204, eq. 3";
    info.formula = "L = mean of (s − r)²,   s = score head at the last token";
    info.summary = "Trains a score head to give the ratings of the data back.";
    info.learning_rate = 1e-4;
    info.rows = {"U02"};
    info.family = Family::kPoint;
    return info;
  }
  GroupShape shape() const override { return GroupShape::kGroups; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kRewards}; }

 protected:
  at::Tensor losses(const at::Tensor& scores, const Batch& batch) const override {
    return (scores - finite_rewards(batch.candidates, info().name)).square();
  }
};

}  // namespace

std::unique_ptr<Method> method_reward_regression() { return std::make_unique<RewardRegression>(); }

}  // namespace attune::algorithm
