// Hybrid preference optimisation (Badrinath et al. 2024, arXiv:2405.17956): DPO for preferences and weighted likelihood for a
// reward beside them, which need not agree with the preference,
//
//   L = E [−log σ(β [Δ₊ − Δ₋]) − γ ½ Σ_{y ∈ {y₊, y₋}} e^(A_y/α) log π(y)],   A = r − mean of both rewards
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/base/pair/reward_gaps.h"
#include "algorithm/part/candidates.h"

namespace attune::algorithm {

namespace {

class Hpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "hpo";
    info.title = "Hybrid Preference Optimization";
    info.paper = "Badrinath et al. 2024, arXiv:2405.17956";
    info.formula =
        "L = mean over pairs of −log σ(β [Δ₊ − Δ₋]) − γ ½ Σ_y e^(A_y/α) log π(y),   A_y = r_y − ½(r₊ + r₋),   Δ = Σ_t log π/π_ref";
    info.summary = "DPO that also imitates what a second, numeric reward finds good, whatever was preferred.";
    info.departures =
        "The advantage is measured against the mean of the two answers instead of a value model. e^(A/α) counts as e^20 at most.";
    info.rows = {"P23"};
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    if (gamma_ == 0) return {};
    return {{known_rewards()}};
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("gamma", gamma_, "γ, weight of the reward beside the preference; 0 is DPO.").non_negative();
    fields.add("alpha", alpha_, "α, temperature of the reward: smaller heeds only the better answer.")
        .positive();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    const at::Tensor preference = -at::log_sigmoid(beta_ * pairs.delta());
    if (gamma_ == 0) return preference;
    const at::Tensor half = half_gaps(pairs, batch) / alpha_;
    return preference - gamma_ / 2 * (half.exp() * pairs.chosen.logps + (-half).exp() * pairs.rejected.logps);
  }

 private:
  /// ½ (r₊ − r₋), [P]. @throws Error{kRequest} where an answer has no reward
  at::Tensor half_gaps(const PairTerms& pairs, const Batch& batch) const {
    constexpr double kLargestExponent = 20;
    const at::Tensor r = finite_rewards(batch.candidates, info().name);
    const at::Tensor half =
        (r.index_select(0, pairs.index.chosen) - r.index_select(0, pairs.index.rejected)) / 2;
    return half.clamp(-kLargestExponent * alpha_, kLargestExponent * alpha_);
  }

  double gamma_ = 0.1, alpha_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_hpo() { return std::make_unique<Hpo>(); }

}  // namespace attune::algorithm
