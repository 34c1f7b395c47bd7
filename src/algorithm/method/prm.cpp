// A process reward model (Lightman et al. 2023, arXiv:2305.20050, section 2.6; Uesato et al. 2022, arXiv:2211.14275):
// a head gives a score s at the last token of every step, the logit of the step's being right,
//
//   L = −mean over steps of y log σ(s) + (1 − y) log σ(−s)
#include <ATen/ATen.h>

#include "algorithm/method.h"
#include "algorithm/part/candidates.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"
#include "record/derived_feedback.h"

namespace attune::algorithm {

namespace {

/// The numbers of a batch's steps, in the order of the signal's rows.
struct Steps {
  std::vector<double> right;   ///< how right each is, 0 to 1
  std::vector<double> weight;  ///< its candidate's

  explicit Steps(const Batch& batch) {
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const Candidate& candidate = batch.candidates[static_cast<std::size_t>(i)];
      ATTUNE_ASSERT(batch.rows_of(i, Positions::kStepEnds).second == std::ssize(candidate.step_scores));
      for (const double score : candidate.step_scores) {
        right.push_back(std::max(score, 0.0));
        weight.push_back(candidate.weight);
      }
    }
  }
};

class Prm final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "prm";
    info.title = "Process reward model";
    info.paper = "Lightman et al. 2023, arXiv:2305.20050, section 2.6";
    info.formula =
        "L = −mean over steps of y log σ(s) + (1 − y) log σ(−s),   s = score head at the step's last token";
    info.summary = "Trains a score head to tell right steps of a derivation from wrong ones.";
    info.departures =
        "One logit where TRL's removed trainer had two, whose difference it is. Labels between 0 and 1 are probabilities "
        "(Math-Shepherd, arXiv:2312.08935); of −1, 0 and 1 only 1 is right.";
    info.learning_rate = 1e-5;
    info.rows = {"R06"};
    info.metrics = {{"accuracy_right", "Accuracy on right steps",
                     "Share of the steps labelled right that the model takes for right.", "fraction",
                     record::Better::kHigher},
                    {"accuracy_wrong", "Accuracy on wrong steps",
                     "Share of the steps labelled wrong that the model takes for wrong.", "fraction",
                     record::Better::kHigher}};
    info.trl_names = {{"prm", ""}};
    return info;
  }
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const override {
    return {{"score", Source::kPolicy, Positions::kStepEnds, true}};
  }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kSteps}; }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kSteps; }

  Loss loss(const Batch& batch, const State& /*state*/) const override {
    const Steps steps(batch);
    const at::Tensor& scores = batch.signal("score");
    const at::Tensor right = vector_of(steps.right), is_right = right >= record::kRightStep;
    const at::Tensor losses = -(right * at::log_sigmoid(scores) + (1 - right) * at::log_sigmoid(-scores));
    Loss result;
    result.value = (losses * vector_of(steps.weight)).sum() / batch.totals.steps;
    const at::Tensor hits = ((scores > 0) == is_right).to(at::kDouble);
    result.metrics["accuracy"] = mean_metric(hits);
    result.metrics["accuracy_right"] = mean_metric(hits, is_right);
    result.metrics["accuracy_wrong"] = mean_metric(hits, is_right.logical_not());
    result.metrics["mean_reward"] = mean_metric(scores.sigmoid());
    return result;
  }
};

}  // namespace

std::unique_ptr<Method> method_prm() { return std::make_unique<Prm>(); }

}  // namespace attune::algorithm
