// Token-level Direct Preference Optimization (Zeng et al. 2024, arXiv:2404.11999, eq. 15 and 16). With the
// sequential KL divergence  D(y) = Σ_t KL(π_ref(·|y_<t) ‖ π(·|y_<t))  and the log-ratio  Δ(y) = Σ_t log
// π(y_t)/π_ref(y_t):
//
//   TDPO1:  L = −E log σ(β [Δ(y₊) − Δ(y₋) − (D(y₋) − D(y₊))])
//   TDPO2:  L = −E log σ(β [Δ(y₊) − Δ(y₋) − α (D(y₋) − sg D(y₊))])
//
// sg stops the gradient. α = 0 in TDPO2 is DPO. The implicit reward of an answer is β (Δ + D) (eq. 14).
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Tdpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "tdpo";
    info.title = "Token-level Direct Preference Optimization";
    info.paper = "Zeng et al. 2024, arXiv:2404.11999, eq. 15 (TDPO1) and 16 (TDPO2)";
    info.formula =
        "L = −mean over pairs of log σ(β [Δ₊ − Δ₋ − α (D₋ − sg D₊)]),   Δ = Σ_t log π/π_ref,  "
        "D = Σ_t KL(π_ref ‖ π) over the whole vocabulary\n"
        "variant tdpo1: α = 1 and D₊ keeps its gradient";
    info.summary =
        "DPO that also holds back, token by token, how far the whole distribution of the rejected answer "
        "drifts from the reference.";
    info.stopped = {"reference_kl"};
    info.metrics = {
        {"kl/chosen", "Divergence of chosen answers",
         "D of the chosen answers: how far the policy's next-token distributions have moved from the reference's, summed over an answer.",
         "nats"},
        {"kl/rejected", "Divergence of rejected answers", "The same of the rejected answers.", "nats"},
        {"kl/margin", "Difference of the divergences",
         "D of the chosen minus D of the rejected answers, which the loss holds near zero.", "nats"}};
    info.rows = {"P16"};
    return info;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = PairMethod::needs();
    needs.push_back({"reference_kl", Source::kPolicy, Positions::kTokens, true});
    return needs;
  }

 protected:
  bool takes_divergence() const override { return false; }
  bool may_drop_reference() const override { return false; }
  void declare(core::Fields& fields) override {
    fields.add("variant", variant_, "tdpo2 (the authors' choice) or tdpo1.").one_of({"tdpo1", "tdpo2"});
    fields.add("alpha", alpha_, "Weight of the divergence term in tdpo2; 0 is DPO.").non_negative();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    const auto [chosen, rejected] = divergences(pairs, batch);
    const at::Tensor gap = variant_ == "tdpo1" ? rejected - chosen : alpha_ * (rejected - chosen.detach());
    return -at::log_sigmoid(beta_ * (pairs.delta() - gap));
  }
  std::pair<at::Tensor, at::Tensor> rewards(const PairTerms& pairs, const Batch& batch) const override {
    const auto [chosen, rejected] = divergences(pairs, batch);
    return {pairs.chosen.ratio + chosen, pairs.rejected.ratio + rejected};
  }
  void add_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const override {
    const auto [chosen, rejected] = divergences(pairs, batch);
    metrics["kl/chosen"] = mean_metric(chosen);
    metrics["kl/rejected"] = mean_metric(rejected);
    metrics["kl/margin"] = mean_metric(chosen - rejected);
  }

 private:
  static std::pair<at::Tensor, at::Tensor> divergences(const PairTerms& pairs, const Batch& batch) {
    const at::Tensor sequential = segment_sum(batch.signal("reference_kl"), batch.offsets);
    return {sequential.index_select(0, pairs.index.chosen), sequential.index_select(0, pairs.index.rejected)};
  }

  std::string variant_ = "tdpo2";
  double alpha_ = 0.5;
};

}  // namespace

std::unique_ptr<Method> method_tdpo() { return std::make_unique<Tdpo>(); }

}  // namespace attune::algorithm
