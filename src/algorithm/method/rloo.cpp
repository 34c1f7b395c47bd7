// REINFORCE leave-one-out (Ahmadian et al. 2024, arXiv:2402.14740, eq. 8): each answer is judged against the mean of the others to
// its prompt, and the KL to the reference is part of the reward,
//
//   L = −mean_i min(ρ_i A_i, clip(ρ_i, 1−ε, 1+ε_high) A_i),   ρ_i = π(y_i)/π_old(y_i)
//   A_i = R_i − mean_{j≠i} R_j,   R = r − β Σ_t log π_old/π_ref
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "algorithm/method.h"
#include "algorithm/part/candidates.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/row_needs.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Rloo final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "rloo";
    info.title = "REINFORCE Leave-One-Out";
    info.paper = "Ahmadian et al. 2024, arXiv:2402.14740, eq. 8";
    info.formula =
        "L = −mean_i min(ρ_i A_i, clip(ρ_i, 1−ε, 1+ε_high) A_i),   ρ_i = π(y_i)/π_old(y_i)\nA_i = R_i − mean_{j≠i} R_j,   R = r − β Σ_t log π_old/π_ref";
    info.summary = "Judges an answer against the other answers to the same prompt, as a whole, without bias.";
    info.rows = {"T09"};
    info.trl_names = {{"rloo", ""}};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("beta", beta_, "Weight of the KL to the reference in the rewards; 0: no reference is needed.")
        .non_negative();
    fields.add("epsilon", epsilon_, "Ratios are clipped to [1 − epsilon, 1 + epsilon_high].").range(0, 1);
    fields.add("epsilon_high", epsilon_high_, "Upper clip; null: the same as epsilon.")
        .non_negative()
        .optional();
    fields.add("normalize_advantages", normalize_, "Make advantages mean 0 and deviation 1 over the step.");
    return fields;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true},
                               {.signal = "logps", .source = Source::kOld, .for_prepare = beta_ > 0}};
    if (beta_ > 0) needs.push_back({"logps", Source::kReference});
    needs.push_back(metric_need("entropy"));
    return needs;
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kGroups; }
  record::FeedbackNeeds feedback_needs() const override { return {{differing_rewards()}}; }
  void prepare(Batch& step, State& /*state*/, Metrics& metrics) const override {
    const GroupAdvantages groups = group_advantages(step.candidates, RewardScale::kNone);
    step.fix("advantages", Positions::kLast, vector_of(advantages_of(step)));
    add_reward_metrics(step.candidates, groups.no_spread, metrics);
    add_length_metrics(step, metrics);
  }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    const at::Tensor& a = batch.fixed("advantages");
    const at::Tensor ratio =
        segment_sum(batch.signal("logps") - batch.signal("old_logps").detach(), batch.offsets).exp();
    const double high = std::isnan(epsilon_high_) ? epsilon_ : epsilon_high_;
    Loss result;
    result.value =
        -(at::minimum(ratio * a, ratio.clamp(1 - epsilon_, 1 + high) * a) * weights_of(batch.candidates))
             .sum() /
        batch.totals.candidates;
    const at::Tensor low_clip = (ratio < 1 - epsilon_).logical_and(a < 0),
                     high_clip = (ratio > 1 + high).logical_and(a > 0);
    result.metrics["clip_ratio/low_mean"] = mean_metric(low_clip.to(at::kDouble));
    result.metrics["clip_ratio/high_mean"] = mean_metric(high_clip.to(at::kDouble));
    result.metrics["clip_ratio/region_mean"] = mean_metric(low_clip.logical_or(high_clip).to(at::kDouble));
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  std::vector<double> advantages_of(const Batch& step) const {
    std::vector<Candidate> rated = step.candidates;
    if (beta_ > 0) {
      const at::Tensor kl = segment_sum(step.signal("old_logps") - step.signal("ref_logps"), step.offsets);
      for (std::size_t i = 0; i < rated.size(); ++i)
        if (rated[i].reward) *rated[i].reward -= beta_ * kl[static_cast<std::int64_t>(i)].item<double>();
    }
    std::vector<double> advantages = group_advantages(rated, RewardScale::kNone).advantages;
    for (const auto& [begin, end] : group_ranges(rated)) {
      double count = 0;
      for (std::size_t i = begin; i < end; ++i) count += std::isnan(record::reward_of(rated[i])) ? 0 : 1;
      for (std::size_t i = begin; i < end; ++i) advantages[i] *= count > 1 ? count / (count - 1) : 0;
    }
    if (!normalize_) return advantages;
    constexpr double kDeviationOfStep = 1e-4;
    const MeanDeviation of_step = mean_deviation(advantages);
    for (double& a : advantages)
      a = std::isnan(of_step.deviation) ? 0 : (a - of_step.mean) / (of_step.deviation + kDeviationOfStep);
    return advantages;
  }

  double beta_ = 0.05, epsilon_ = 0.2, epsilon_high_ = std::numeric_limits<double>::quiet_NaN();
  bool normalize_ = false;
};

}  // namespace

std::unique_ptr<Method> method_rloo() { return std::make_unique<Rloo>(); }

}  // namespace attune::algorithm
