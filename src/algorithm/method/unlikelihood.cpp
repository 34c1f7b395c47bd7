// Unlikelihood (Welleck et al. 2019, arXiv:1908.04319, eq. 4): tokens of bad answers become less likely, those of good ones
// likelier,
//
//   L = (1/N) Σ_good w Σ_t −log π(y_t) + (1/N) Σ_bad Σ_t −log(1 − π(y_t)),   N: tokens of the step
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/method.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Unlikelihood final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "unlikelihood";
    info.title = "Unlikelihood";
    info.paper = "Welleck et al. 2019, arXiv:1908.04319, eq. 4";
    info.formula =
        "L = (1/N) [Σ_good w Σ_t −log π(y_t) + Σ_bad Σ_t −log(1 − π(y_t))],   N = tokens of the step";
    info.summary = "Makes tokens of bad answers unlikely, the more the likelier they are.";
    info.departures = "A probability of 1 counts as 1 − 1e-7.";
    info.learning_rate = 2e-5;
    info.rows = {"T20"};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("likelihood_weight", likelihood_weight_, "w, weight of imitating good answers.")
        .non_negative();
    return fields;
  }
  std::vector<Need> needs() const override {
    return with_token_metrics({{"logps", Source::kPolicy, Positions::kTokens, true}});
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kLabels; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kLabels}; }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    constexpr double kCertain = -1e-7;  // the unlikelihood of a probability of 1 is infinite
    const at::Tensor& logps = batch.signal("logps");
    std::vector<double> good, bad;
    for (const Candidate& candidate : batch.candidates) {
      good.push_back(record::is_good(candidate) ? candidate.weight * likelihood_weight_ : 0);
      bad.push_back(record::is_good(candidate) ? 0 : candidate.weight);
    }
    const at::Tensor unlikely = -(-at::expm1(logps.clamp_max(kCertain))).log();
    Loss result;
    result.value =
        (spread(vector_of(bad), batch.offsets) * unlikely - spread(vector_of(good), batch.offsets) * logps)
            .sum() /
        std::max(1.0, batch.totals.tokens);
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  double likelihood_weight_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_unlikelihood() { return std::make_unique<Unlikelihood>(); }

}  // namespace attune::algorithm
