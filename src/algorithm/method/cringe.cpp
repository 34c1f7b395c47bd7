// The cringe loss (Adolphs et al. 2022, arXiv:2211.05826): good answers are imitated, and each token of a bad one
// loses to what the model would rather have said there,
//
//   L = (1/N) Σ_good Σ_t −log π(y_t) + (λ/N) Σ_bad Σ_t E_k −log σ(z_k − z_t),   N: tokens of the step
//
// z: logits; k is drawn among the five likeliest tokens other than y_t as the model draws them.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/method.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Cringe final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cringe";
    info.title = "Cringe loss";
    info.paper = "Adolphs et al. 2022, arXiv:2211.05826";
    info.formula =
        "L = (1/N) [Σ_good Σ_t −log π(y_t) + λ Σ_bad Σ_t Σ_k q_k · −log σ(z_k − z_t)],   N = tokens of the step,\n"
        "z: logits,   k: the 5 likeliest tokens other than y_t,   q = softmax of their logits, a constant";
    info.summary =
        "Imitates good answers; in bad ones each token loses to what the model would rather have said.";
    info.departures =
        "The paper draws one k from q; here is the mean over the draw, which has the same expected gradient and no noise.";
    info.learning_rate = 2e-5;
    info.stopped = {"top_contrast"};  // in how rivals are drawn
    info.rows = {"T20"};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("lambda", lambda_, "λ, weight of the tokens of bad answers.").non_negative();
    return fields;
  }
  std::vector<Need> needs() const override {
    return with_token_metrics({{"logps", Source::kPolicy, Positions::kTokens, true},
                               {"top_contrast", Source::kPolicy, Positions::kTokens, true}});
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kLabels; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kLabels}; }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    std::vector<double> good, bad;
    for (const Candidate& candidate : batch.candidates) {
      good.push_back(record::is_good(candidate) ? candidate.weight : 0);
      bad.push_back(record::is_good(candidate) ? 0 : lambda_ * candidate.weight);
    }
    const at::Tensor imitated = -spread(vector_of(good), batch.offsets) * batch.signal("logps"),
                     outdone = spread(vector_of(bad), batch.offsets) * batch.signal("top_contrast");
    Loss result;
    result.value = (imitated + outdone).sum() / std::max(1.0, batch.totals.tokens);
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  double lambda_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_cringe() { return std::make_unique<Cringe>(); }

}  // namespace attune::algorithm
