// Advantage-weighted regression (Peng et al. 2019, arXiv:1910.00177, eq. 11): answers are imitated by how much better than the
// mean of their prompt they are,
//
//   L = −mean_i min(e^(A_i/β), cap) mean_t log π(y_t),   A = r − mean of the prompt's rewards
//
// On samples of π_ref its optimum is π_ref e^(r/β) up to normalisation.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/base/group/weighted_likelihood.h"

namespace attune::algorithm {

namespace {

class Awr final : public WeightedLikelihood {
 public:
  Awr() : WeightedLikelihood(Baseline::kGroup) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "awr";
    info.title = "Advantage-Weighted Regression";
    info.paper = "Peng et al. 2019, arXiv:1910.00177, eq. 11";
    info.formula = "L = −mean_i min(e^(A_i/β), cap) mean_t log π(y_t),   A = r − mean of the prompt";
    info.summary = "SFT on rated answers that counts an answer more the better it is, never against it.";
    info.departures =
        "The mean of the prompt stands for the value model, and nothing for a prompt with one answer.";
    info.learning_rate = 2e-5;
    info.rows = {"T17"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("beta", beta_, "β, temperature: smaller heeds only the best answers.").positive();
    fields.add("cap", cap_, "Largest weight of an answer.").positive();
  }
  double weight_of(double advantage, double /*log_ratio*/) const override {
    return std::min(std::exp(std::min(advantage / beta_, std::log(cap_))), cap_);
  }

 private:
  double beta_ = 1, cap_ = 20;
};

}  // namespace

std::unique_ptr<Method> method_awr() { return std::make_unique<Awr>(); }

}  // namespace attune::algorithm
