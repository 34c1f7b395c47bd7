// Mallows-DPO (Chen et al. 2024, arXiv:2405.14953): a preference counts as much as people agree on it, and where the
// reference is undecided they do not,
//
//   L = −E log σ(β φ(x) [Δ₊ − Δ₋]),   φ(x) = −log(mean_t H_t / log V),   Δ = Σ_t log π/π_ref
//
// H_t is the entropy of the reference at a token of either answer, V the size of its vocabulary.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class MallowsDpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "mallows_dpo";
    info.title = "Mallows-DPO";
    info.paper = "Chen et al. 2024, arXiv:2405.14953";
    info.formula =
        "L = −mean over pairs of log σ(β φ(x) [Δ₊ − Δ₋]),   φ(x) = −log(mean_t H(π_ref)/log V),   Δ = Σ_t log π/π_ref";
    info.summary =
        "DPO that pushes hard where the reference is sure of what it writes and little where anything might be said.";
    info.departures =
        "The mean of the entropies is over the tokens of both answers; the paper counts positions that the shorter one does not have as 0. An entropy share counts as 1e-8 at least.";
    info.metrics = {
        {"dispersion", "Certainty of the prompt",
         "φ, which multiplies a pair's gap: large where the reference is sure of what it writes."}};
    info.rows = {"P14"};
    return info;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = PairMethod::needs();
    if (std::isnan(dispersion_)) needs.push_back({"entropy_share", Source::kReference});
    return needs;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields
        .add("dispersion", dispersion_,
             "φ, the same for every prompt (1 is DPO); null: by the entropy of the reference.")
        .positive()
        .optional();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    return -at::log_sigmoid(beta_ * phi(pairs, batch) * pairs.delta());
  }
  void add_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const override {
    metrics["dispersion"] = mean_metric(phi(pairs, batch));
  }

 private:
  /// [P]
  at::Tensor phi(const PairTerms& pairs, const Batch& batch) const {
    if (!std::isnan(dispersion_)) return at::full_like(pairs.chosen.tokens, dispersion_);
    constexpr double kLeastShare = 1e-8;
    const at::Tensor sums = segment_sum(batch.signal("ref_entropy_share").detach(), batch.offsets);
    const at::Tensor both =
        sums.index_select(0, pairs.index.chosen) + sums.index_select(0, pairs.index.rejected);
    const at::Tensor tokens = (pairs.chosen.tokens + pairs.rejected.tokens).clamp_min(1);
    return -(both / tokens).clamp(kLeastShare, 1).log();
  }

  double dispersion_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace

std::unique_ptr<Method> method_mallows_dpo() { return std::make_unique<MallowsDpo>(); }

}  // namespace attune::algorithm
