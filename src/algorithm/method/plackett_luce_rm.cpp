// A reward model from rankings (Plackett 1975; Zhu et al. 2023, arXiv:2301.11270, eq. 6): each answer is to be chosen before all
// that follow it,
//
//   L = mean over prompts of Σ_k (log Σ_{i≥k} e^(s_i) − s_k),   best first
#include <ATen/ATen.h>

#include "algorithm/base/point/score_method.h"
#include "algorithm/part/group_statistics.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class PlackettLuceRm final : public ScoreMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "plackett_luce_rm";
    info.title = "Plackett–Luce reward model";
    info.paper = "Plackett 1975; Zhu et al. 2023, arXiv:2301.11270, eq. 6";
    info.formula =
        "L = mean over prompts of Σ_k (log Σ_{i≥k} e^(s_i) − s_k),   s = score head at the last token,   best first";
    info.summary = "Trains a score head on whole rankings, each answer being computed once.";
    info.departures =
        "Of tied candidates none is asked to come before the other. There is no pessimism: scores are those of the maximum likelihood.";
    info.learning_rate = 1e-4;
    info.rows = {"R03"};
    return info;
  }
  GroupShape shape() const override { return GroupShape::kLists; }

 protected:
  at::Tensor losses(const at::Tensor& scores, const Batch& batch) const override {
    at::Tensor behind = at::eye(batch.size(), at::kDouble);
    for (const auto& [begin, end] : group_ranges(batch.candidates)) {
      for (std::size_t i = begin; i < end; ++i)
        for (std::size_t j = begin; j < end; ++j)
          if (rank_of(batch.candidates[j]) > rank_of(batch.candidates[i]))
            behind[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(j)] = 1;
    }
    return ((scores.unsqueeze(0) + behind.log()).logsumexp(1) - scores) * batch.totals.candidates /
           batch.totals.groups;
  }

 private:
  static double rank_of(const Candidate& candidate) {
    if (!candidate.rank)
      core::fail_request(
          "candidate {} of group {} has no 'rank', which method 'plackett_luce_rm' learns from",
          candidate.index, candidate.group);
    return *candidate.rank;
  }
};

}  // namespace

std::unique_ptr<Method> method_plackett_luce_rm() { return std::make_unique<PlackettLuceRm>(); }

}  // namespace attune::algorithm
