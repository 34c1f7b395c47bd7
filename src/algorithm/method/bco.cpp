// Binary classifier optimisation (Jung et al. 2024, arXiv:2404.04656, eq. 10): a classifier of single answers into good and bad
// whose logit is the implicit reward, shifted by its running mean δ,
//
//   L = mean of { −log σ(β Δ − δ) for good, −log σ(−(β Δ − δ)) for bad completions },   Δ = Σ_t log π/π_ref
#include <ATen/ATen.h>

#include <string>

#include "algorithm/method.h"
#include "algorithm/part/candidates.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Bco final : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "bco";
    info.title = "Binary Classifier Optimization";
    info.paper = "Jung et al. 2024, arXiv:2404.04656, eq. 10";
    info.formula =
        "L = mean of { −log σ(β Δ − δ) for good, −log σ(δ − β Δ) for bad completions },   Δ = Σ_t log π/π_ref,   δ: running mean of β Δ";
    info.summary =
        "Classifies single answers as good or bad by their log-ratios, against the mean of what it has seen.";
    info.departures =
        "δ is the mean over all steps so far, this one included, and the same for all updates of a step. Weights for answers of another distribution are the weights of candidates.";
    info.learning_rate = 5e-7;
    info.metrics = {{"delta", "Shift of the classifier",
                     "δ: the running mean of implicit rewards. An answer counts as good above it.", "nats"}};
    info.rows = {"T15"};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("beta", beta_, "Strength of the pull towards the reference: larger stays closer.").positive();
    fields.add("shift", shift_, "δ: the running mean of implicit rewards, or none.")
        .one_of({"running", "none"});
    return fields;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true},
                               {"logps", Source::kReference},
                               {.signal = "logps", .source = Source::kOld, .for_prepare = true}};
    return with_token_metrics(std::move(needs));
  }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kLabels; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kLabels}; }
  void prepare(Batch& step, State& state, Metrics& metrics) const override {
    std::vector<double>& seen =
        state.try_emplace("rewards", std::vector{0.0, 0.0}).first->second;  // sum, count
    seen[0] += beta_ * (step.signal("old_logps") - step.signal("ref_logps")).sum().item<double>();
    seen[1] += static_cast<double>(step.size());
    const double delta = shift_ == "none" ? 0 : seen[0] / seen[1];
    step.fix("shift", Positions::kLast, at::full({step.size()}, delta, at::kDouble));
    metrics["delta"] = Metric::mean(delta, 1);
  }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    const at::Tensor rewards =
        beta_ * segment_sum(batch.signal("logps") - batch.signal("ref_logps").detach(), batch.offsets);
    std::vector<double> signs;
    for (const Candidate& candidate : batch.candidates) signs.push_back(record::is_good(candidate) ? 1 : -1);
    const at::Tensor sign = vector_of(signs);
    Loss result;
    result.value =
        -(at::log_sigmoid(sign * (rewards - batch.fixed("shift"))) * weights_of(batch.candidates)).sum() /
        batch.totals.candidates;
    result.metrics["rewards/chosen"] = mean_metric(rewards, (sign > 0).to(at::kDouble));
    result.metrics["rewards/rejected"] = mean_metric(rewards, (sign < 0).to(at::kDouble));
    add_token_metrics(batch, result.metrics);
    return result;
  }

 private:
  double beta_ = 0.1;
  std::string shift_ = "running";
};

}  // namespace

std::unique_ptr<Method> method_bco() { return std::make_unique<Bco>(); }

}  // namespace attune::algorithm
