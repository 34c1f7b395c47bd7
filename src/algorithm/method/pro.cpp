// Preference Ranking Optimization, PRO (Song et al. 2023, arXiv:2306.17492):
//
//   L = E [−Σ_{k<n} log e^(s̄_k τ_kk) / (e^(s̄_k τ_kk) + Σ_{i>k} e^(s̄_i τ_ki)) − w (n − 1)² s̄_1]
//   s̄ = mean_t log π(y_t),   τ_ki = r_k − r_i,   τ_kk = max_{i>k} τ_ki,   the list best first
//
// Two candidates are −log σ((r₁ − r₂)(s̄₁ − s̄₂)).
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Pro final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "pro";
    info.title = "Preference Ranking Optimization";
    info.paper = "Song et al. 2023, arXiv:2306.17492";
    info.formula =
        "L = mean over prompts of −Σ_k log [e^(s̄_k τ_kk) / (e^(s̄_k τ_kk) + Σ_{i>k} e^(s̄_i τ_ki))] − w (n−1)² "
        "s̄_1\nwith τ_ki = r_k − r_i,  τ_kk = max_i τ_ki,  s̄ = mean_t log π,  the list best first";
    info.summary =
        "Has each answer stand out from all worse ones, by more where it is better by more, and imitates the "
        "best.";
    info.departures = "Answers that tie have an infinite temperature, so they stay as they are.";
    info.rows = {"L02"};
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override {
    fields.add("sft_weight", sft_weight_, "w, weight of imitating the best answer.").non_negative();
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor s = list.mean_logps();
    const std::int64_t n = list.size();
    at::Tensor loss = -sft_weight_ * static_cast<double>((n - 1) * (n - 1)) * s[0];
    for (std::int64_t k = 0; k + 1 < n; ++k) {
      const at::Tensor gaps = list.merits[k] - list.merits.slice(0, k + 1);
      const at::Tensor own = s[k] * gaps.max();
      loss = loss + at::cat({own.unsqueeze(0), s.slice(0, k + 1) * gaps}).logsumexp(0) - own;
    }
    return loss;
  }

 private:
  double sft_weight_ = 0.05;
};

}  // namespace

std::unique_ptr<Method> method_pro() { return std::make_unique<Pro>(); }

}  // namespace attune::algorithm
