// Advantage-Leftover Lunch RL, A-LoL (Baheti et al. 2023, arXiv:2305.14718, eq. 4): policy gradient on data that are there. A
// whole answer is one action of the reference, so it is weighed by ρ = π(y)/π_ref(y), and answers below the mean are dropped,
//
//   L = −mean_i sg(max(A_i, 0) ρ_i) mean_t log π(y_t),   A = r − mean of the prompt's rewards
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/base/group/weighted_likelihood.h"

namespace attune::algorithm {

namespace {

class ALol final : public WeightedLikelihood {
 public:
  ALol() : WeightedLikelihood(Baseline::kGroup) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "a_lol";
    info.title = "Advantage-Leftover Lunch RL";
    info.paper = "Baheti et al. 2023, arXiv:2305.14718, eq. 4";
    info.formula =
        "L = −mean_i sg(max(A_i, 0) ρ_i) mean_t log π(y_t),   ρ = π(y)/π_ref(y),   A = r − mean of the prompt,   sg: no gradient";
    info.summary =
        "Learns from the better answers of the data, most from those that the policy has come to prefer.";
    info.departures =
        "The mean of the prompt stands for the value of the reference. ρ counts as e^20 at most; it is not clipped.";
    info.rows = {"T17"};
    info.stopped = {"logps"};
    return info;
  }

 protected:
  bool uses_reference() const override { return true; }
  double weight_of(double advantage, double log_ratio) const override {
    constexpr double kLargestLogRatio = 20;
    return std::max(advantage, 0.0) * std::exp(std::clamp(log_ratio, -kLargestLogRatio, kLargestLogRatio));
  }
};

}  // namespace

std::unique_ptr<Method> method_a_lol() { return std::make_unique<ALol>(); }

}  // namespace attune::algorithm
