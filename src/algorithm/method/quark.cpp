// Quark (Lu et al. 2022, arXiv:2205.13636, eq. 2): answers are imitated behind a token that says how well they scored, and the
// whole distribution stays near the start,
//
//   L = (1/N) Σ_i Σ_t [−log π(y_t) + β KL(π_ref ‖ π) − c H(π)],   N: tokens of the step
#include <ATen/ATen.h>

#include "algorithm/base/point/distribution_method.h"

namespace attune::algorithm {

namespace {

class Quark final : public DistributionMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "quark";
    info.title = "Quark";
    info.paper = "Lu et al. 2022, arXiv:2205.13636, eq. 2";
    info.formula = "L = (1/N) Σ_i Σ_t [−log π(y_t) + β KL(π_ref ‖ π) − c H(π)],   N = tokens of the step";
    info.summary =
        "SFT on answers that carry their score as a first token, held to the reference over the whole vocabulary.";
    info.departures =
        "The token of the score is part of the prompt, which the data give: it is not drawn here.";
    info.learning_rate = 1e-5;
    info.rows = {"T16"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("beta", beta_, "β, weight of staying near the reference.").non_negative();
    fields.add("entropy_coef", entropy_coef_, "c, weight of keeping the distribution broad.").non_negative();
  }
  std::vector<Need> distribution_needs() const override {
    std::vector<Need> needs = {{"logps", Source::kPolicy, Positions::kTokens, true}};
    if (beta_ > 0) needs.push_back({"reference_kl", Source::kPolicy, Positions::kTokens, true});
    if (entropy_coef_ > 0) needs.push_back({"entropy", Source::kPolicy, Positions::kTokens, true});
    return needs;
  }
  at::Tensor token_loss(const Batch& batch) const override {
    at::Tensor loss = -batch.signal("logps");
    if (beta_ > 0) loss = loss + beta_ * batch.signal("reference_kl");
    return entropy_coef_ > 0 ? loss - entropy_coef_ * batch.signal("entropy") : loss;
  }

 private:
  double beta_ = 0.05, entropy_coef_ = 0.06;
};

}  // namespace

std::unique_ptr<Method> method_quark() { return std::make_unique<Quark>(); }

}  // namespace attune::algorithm
