// LiPO-λ (Liu et al. 2024, arXiv:2402.01878): DPO's logistic loss on all pairs of a list,
// weighted by what exchanging the two would do to the list's discounted gain,
//
//   L = −E Σ_{r_i>r_j} |2^(r_i) − 2^(r_j)| |1/D(τ_i) − 1/D(τ_j)| log σ(s_i − s_j),   D(τ) = log(1 + τ),
//   s = β Σ_t log π/π_ref,   τ: place in the order of s, 1 for the largest
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Lipo final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "lipo";
    info.title = "Listwise Preference Optimization (LiPO-λ)";
    info.paper = "Liu et al. 2024, arXiv:2402.01878";
    info.formula =
        "L = −mean over prompts of Σ_{r_i>r_j} w_ij log σ(s_i − s_j),   w_ij = |2^(r_i) − 2^(r_j)| "
        "|1/log(1+τ_i) − 1/log(1+τ_j)|,   s = β Σ_t log π/π_ref,   τ: place in the order of s";
    info.summary = "DPO on all pairs of a rated list, most on those whose order matters most at the top.";
    info.departures =
        "Rewards are taken as they are; the paper's lie between 0 and 1. They count as 500 at most.";
    info.rows = {"L03"};
    return info;
  }

 protected:
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override {
    fields.add("weighting", weighting_, "How pairs are weighed: lambda, or uniform, all alike.")
        .one_of({"lambda", "uniform"});
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor s = beta_ * list.ratio;
    const at::Tensor losses = -at::log_sigmoid(s.unsqueeze(1) - s.unsqueeze(0)) * list.outranks();
    return (weighting_ == "uniform" ? losses : losses * weights(list.merits, s.detach())).sum();
  }

 private:
  static at::Tensor weights(const at::Tensor& rewards, const at::Tensor& s) {
    constexpr double kLargestExponent = 500;  // 2^r of what no scale of ratings reaches stays finite
    const at::Tensor gain = rewards.clamp_max(kLargestExponent).exp2();
    const at::Tensor order = std::get<1>(s.sort(/*stable=*/true, 0, /*descending=*/true));
    const at::Tensor place = std::get<1>(order.sort(0)).to(at::kDouble) + 1;
    const at::Tensor discount = place.log1p().reciprocal();
    const auto gaps = [](const at::Tensor& x) { return (x.unsqueeze(1) - x.unsqueeze(0)).abs(); };
    return gaps(gain) * gaps(discount);
  }

  std::string weighting_ = "lambda";
};

}  // namespace

std::unique_ptr<Method> method_lipo() { return std::make_unique<Lipo>(); }

}  // namespace attune::algorithm
