// DPO with an offset (Amini et al. 2024, arXiv:2402.10571):
//
//   L = −E log σ(β (Δ₊ − Δ₋) − α f(r₊ − r₋)),   Δ = Σ_t log π/π_ref,   f = log or the identity
//
// A pair's margin stands for r₊ − r₋ where its answers have no rewards. α = 0 is DPO.
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/base/pair/reward_gaps.h"

namespace attune::algorithm {

namespace {

class Odpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "odpo";
    info.title = "DPO with an offset";
    info.paper = "Amini et al. 2024, arXiv:2402.10571";
    info.formula =
        "L = −mean over pairs of log σ(β (Δ₊ − Δ₋) − α f(r₊ − r₋)),   Δ = Σ_t log π/π_ref,   f = log";
    info.summary = "DPO that asks for a larger gap where one answer is better by more.";
    info.rows = {"P11"};
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    if (alpha_ == 0) return {};
    return {{known_gaps()}};
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("alpha", alpha_, "α, how much of the difference in reward is asked of a pair; 0 is DPO.")
        .non_negative();
    fields.add("offset", offset_, "f: log, which the paper found best, or the difference itself.")
        .one_of({"log", "difference"});
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    if (alpha_ == 0) return -at::log_sigmoid(beta_ * pairs.delta());
    const at::Tensor gap = reward_gaps(pairs.index, batch, info().name);
    // a pair whose sides are exchanged (soft labels) has its offset turned round
    const at::Tensor offset = offset_ == "log" ? gap.sign() * gap.abs().log() : gap;
    return -at::log_sigmoid(beta_ * pairs.delta() - alpha_ * offset);
  }

 private:
  double alpha_ = 1;
  std::string offset_ = "log";
};

}  // namespace

std::unique_ptr<Method> method_odpo() { return std::make_unique<Odpo>(); }

}  // namespace attune::algorithm
