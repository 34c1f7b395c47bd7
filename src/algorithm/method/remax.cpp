// ReMax (Li et al. 2023, arXiv:2310.10505, eq. 5): REINFORCE whose baseline is the reward of the greedy answer to the same prompt,
// the candidate whose `source` is greedy, from which nothing is learned,
//
//   L = −mean_i (r_i − r_greedy) Σ_t log π(y_t),   over sampled answers
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/method.h"
#include "algorithm/part/group_statistics.h"
#include "algorithm/part/rollout_metrics.h"
#include "algorithm/part/row_needs.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class ReMax final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "remax";
    info.title = "ReMax";
    info.paper = "Li et al. 2023, arXiv:2310.10505, eq. 5";
    info.formula = "L = −mean_i (r_i − r_greedy) Σ_t log π(y_t),   over sampled answers";
    info.summary = "REINFORCE against what the model says without sampling: no value model, one more answer.";
    info.departures = "The greedy answer is one of the data; it is not made here.";
    info.rows = {"T11"};
    info.family = Family::kPair;
    return info;
  }
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const override {
    return with_token_metrics({{"logps", Source::kPolicy, Positions::kTokens, true}});
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kGroups; }
  record::FeedbackNeeds feedback_needs() const override {
    return {
        {required("a greedy answer", "no answer of \"source\" greedy, whose reward is the baseline",
                  [](std::span<const Candidate> group, std::span<const Pair>) {
                    return greedy_in(group) == group.size() ? fmt::format("{} answers", group.size())
                                                            : std::string();
                  }),
         teaching_group("rewards beside the greedy one",
                        "nothing is learned where all answers to a prompt have the reward of the greedy one",
                        [](std::span<const Candidate> group) {
                          return std::ranges::all_of(group, [&](const Candidate& candidate) {
                            return candidate.reward == group[greedy_in(group)].reward;
                          });
                        })}};
  }
  void prepare(Batch& step, State& /*state*/, Metrics& metrics) const override {
    const GroupAdvantages groups = group_advantages(step.candidates, RewardScale::kNone);
    std::vector<double> advantages(step.candidates.size(), 0);
    std::int64_t prompts = 0, without = 0;
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      ++prompts;
      const std::size_t greedy = begin + greedy_in(std::span(step.candidates).subspan(begin, end - begin));
      if (greedy == end) {
        ++without;
        continue;
      }
      for (std::size_t i = begin; i < end; ++i) {
        const double a = record::reward_of(step.candidates[i]) - record::reward_of(step.candidates[greedy]);
        advantages[i] = std::isnan(a) ? 0 : a;
      }
    }
    if (without > 0)
      core::fail_request(
          "{} of {} prompts of this step have no answer of 'source' greedy, whose reward is the baseline of "
          "method 'remax'",
          without, prompts);
    step.fix("advantages", Positions::kLast, vector_of(advantages));
    const auto sampled = static_cast<double>(step.size() - prompts);
    step.fix("sampled", Positions::kLast, at::full({step.size()}, std::max(sampled, 1.0), at::kDouble));
    add_reward_metrics(step.candidates, groups.no_spread, metrics);
  }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    std::vector<double> weights;
    for (const Candidate& candidate : batch.candidates)
      weights.push_back(candidate.source == kGreedy ? 0 : candidate.weight);
    Loss result;
    result.value = -(segment_sum(batch.signal("logps"), batch.offsets) * batch.fixed("advantages") *
                     vector_of(weights) / batch.fixed("sampled"))
                        .sum();
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  static constexpr const char* kGreedy = "greedy";
  /// The place of the first greedy answer, or how many answers there are.
  static std::size_t greedy_in(std::span<const Candidate> group) {
    const auto found = std::ranges::find(group, kGreedy, &Candidate::source);
    return static_cast<std::size_t>(found - group.begin());
  }
};

}  // namespace

std::unique_ptr<Method> method_remax() { return std::make_unique<ReMax>(); }

}  // namespace attune::algorithm
