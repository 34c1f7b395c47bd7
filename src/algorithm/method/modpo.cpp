// Multi-objective DPO (Zhou et al. 2023, arXiv:2310.03708, eq. 8): the pairs say what is better in one respect k; scores of the
// other respects are a margin, so that the optimum is that of the weighted sum of all,
//
//   L = −E log σ((1/w_k) {β [Δ₊ − Δ₋] − Σ_{j≠k} w_j [r_j(y₊) − r_j(y₋)]})
#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/row_needs.h"
#include "algorithm/part/scores.h"
#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class Modpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "modpo";
    info.title = "Multi-Objective DPO";
    info.paper = "Zhou et al. 2023, arXiv:2310.03708, eq. 8";
    info.formula =
        "L = −mean over pairs of log σ((1/w_k) {β [Δ₊ − Δ₋] − Σ_j w_j [r_j(y₊) − r_j(y₋)]}),   Δ = Σ_t log π/π_ref,   r_j: scores of other respects";
    info.summary = "DPO for one of several goals that does not forget what answers score in the others.";
    info.rows = {"P24"};
    return info;
  }
  void check() const override {
    PairMethod::check();
    if (scores_.size() != weights_.size())
      core::fail_request("method.scores names {} scores and method.weights has {} numbers; give one for each",
                         scores_.size(), weights_.size());
  }

  record::FeedbackNeeds feedback_needs() const override {
    if (scores_.empty()) return {};
    const auto missing = [names = scores_](std::span<const Candidate> group, std::span<const Pair>) {
      return missing_score(group, names);
    };
    return {{required(fmt::format("scores [{}]", fmt::join(scores_, ", ")),
                      "a score that method.scores names is missing", missing)}};
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("weight", weight_, "w_k, weight of what the preference is about; 1 without scores is DPO.")
        .positive();
    fields.add("scores", scores_, "Names of the scores of other respects, keys of a candidate's 'scores'.");
    fields.add("weights", weights_, "w_j, one for each of them.");
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    return -at::log_sigmoid((beta_ * pairs.delta() - gaps(pairs, batch)) / weight_);
  }

 private:
  /// Σ_j w_j [r_j(y₊) − r_j(y₋)], [P]
  at::Tensor gaps(const PairTerms& pairs, const Batch& batch) const {
    std::vector<double> sums;
    for (const Candidate& candidate : batch.candidates) {
      sums.push_back(0);
      for (std::size_t j = 0; j < scores_.size(); ++j) {
        const auto found = candidate.scores.find(scores_[j]);
        if (found == candidate.scores.end())
          core::fail_request("candidate {} of group {} has no score '{}', which method.scores names",
                             candidate.index, candidate.group, scores_[j]);
        sums.back() += weights_[j] * found->second;
      }
    }
    const at::Tensor sum = vector_of(sums);
    return sum.index_select(0, pairs.index.chosen) - sum.index_select(0, pairs.index.rejected);
  }

  double weight_ = 1;
  std::vector<std::string> scores_;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<Method> method_modpo() { return std::make_unique<Modpo>(); }

}  // namespace attune::algorithm
