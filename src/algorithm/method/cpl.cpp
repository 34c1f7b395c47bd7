// Contrastive preference learning (Hejna et al. 2023, arXiv:2310.13639, eq. 7): preferences are about regret, and the
// policy's own log-probabilities are the advantages of its actions, here tokens,
//
//   L = −E log σ(β Σ_t γ^t log π(y₊,t) − λ β Σ_t γ^t log π(y₋,t))
//
// λ < 1 keeps the policy close to the data: it is no longer enough that a rejected answer is unlikely.
#include <ATen/ATen.h>

#include <cmath>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class Cpl final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "cpl";
    info.title = "Contrastive Preference Learning";
    info.paper = "Hejna et al. 2023, arXiv:2310.13639, eq. 7";
    info.formula = "L = −mean over pairs of log σ(β s₊ − λ β s₋),   s = Σ_t γ^t log π(y_t)";
    info.summary =
        "Learns a policy from preferences between stretches of behaviour, without reward model or reference.";
    info.departures = "beta is the α of the paper. Logged log-probabilities are discounted, too.";
    info.rows = {"P22"};
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  void declare(core::Fields& fields) override {
    fields.add("bias", bias_, "λ, how much the rejected answer counts; 1 compares both alike.").range(0, 1);
    fields.add("gamma", gamma_, "γ, discount from one token to the next.").range(0, 1);
  }
  at::Tensor token_weights(const Batch& batch) const override {
    std::vector<double> weights;
    for (std::int64_t i = 0; i < batch.size(); ++i)
      for (std::int64_t t = batch.offsets[i]; t < batch.offsets[i + 1]; ++t)
        weights.push_back(std::pow(gamma_, static_cast<double>(t - batch.offsets[i])));
    return vector_of(weights);
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return -at::log_sigmoid(beta_ * (pairs.chosen.logps - bias_ * pairs.rejected.logps));
  }

 private:
  double bias_ = 0.5, gamma_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_cpl() { return std::make_unique<Cpl>(); }

}  // namespace attune::algorithm
