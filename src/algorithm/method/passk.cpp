// Pass@k training (Chen et al. 2025, arXiv:2508.10751, section 2.4):
//
//   L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ],   ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1
//   with n answers, w of them wrong, R = 1 − C(w,k)/C(n,k), σ² = R(1 − R):  A = (1 − R)/σ for right ones, (1 − R − C(w−1,k−1)/C(n−1,k−1))/σ for wrong ones
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "algorithm/base/group/clipped_policy_method.h"
#include "algorithm/part/group_statistics.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class PassK final : public ClippedPolicyMethod {
 public:
  PassK() : ClippedPolicyMethod({}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "passk";
    info.title = "Pass@k training";
    info.paper = "Chen et al. 2025, arXiv:2508.10751, section 2.4";
    info.formula =
        "L = (1/Σ_i |y_i|) Σ_i Σ_t [ −min(ρ A, clip(ρ, 1−ε, 1+ε_high) A) + β k3 ]\nρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = (1 − R)/σ if right else (1 − R − C(w−1,k−1)/C(n−1,k−1))/σ,   R = 1 − C(w,k)/C(n,k),  σ² = R(1 − R)";
    info.summary =
        "Learns to have a right answer among k: right ones count by how rare they are, wrong ones are blamed little where another is right.";
    info.departures =
        "k is at most one less than the answers of a group: were all of them tried, nothing could be told apart.";
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    return {{teaching_group(fmt::format("pass@{} above {} in doubt", k_, threshold_),
                            "nothing is learned where k answers to a prompt hold a right one always or never",
                            [*this](std::span<const Candidate> group) {
                              const double value = value_of(group);
                              return value * (1 - value) <= 0;
                            })}};
  }

 protected:
  bool scales_rewards() const override { return false; }
  void declare(core::Fields& fields) override {
    ClippedPolicyMethod::declare(fields);
    fields.add("k", k_, "k, how many answers are tried.").positive();
    fields.add("threshold", threshold_, "An answer is right if its reward is larger than this.");
  }
  GroupAdvantages advantages_of(const Batch& step) const override {
    GroupAdvantages result = group_advantages(step.candidates, RewardScale::kNone);
    for (const auto& [begin, end] : group_ranges(step.candidates)) {
      const auto group = std::span(step.candidates).subspan(begin, end - begin);
      const double wrong = wrong_of(group), n = static_cast<double>(group.size()), k = tried_of(group);
      const double value = value_of(group), spread = std::sqrt(value * (1 - value));
      const double missed = all_wrong(wrong - 1, n - 1, k - 1);
      for (std::size_t i = begin; i < end; ++i) {
        const double gain = is_right(step.candidates[i]) ? 1 - value : 1 - value - missed;
        result.advantages[i] = spread > 0 ? gain / spread : 0;
      }
    }
    return result;
  }
  at::Tensor normaliser(const Batch& batch) const override { return batch.fixed("kept_tokens"); }

 private:
  bool is_right(const Candidate& candidate) const { return record::reward_of(candidate) > threshold_; }
  double wrong_of(std::span<const Candidate> group) const {
    double wrong = 0;
    for (const Candidate& candidate : group) wrong += is_right(candidate) ? 0 : 1;
    return wrong;
  }
  /// k, or what a group too small for that leaves of it.
  double tried_of(std::span<const Candidate> group) const {
    return std::min(static_cast<double>(k_), std::max(static_cast<double>(group.size()) - 1, 1.0));
  }
  /// The chance that one of k answers is right.
  double value_of(std::span<const Candidate> group) const {
    return 1 - all_wrong(wrong_of(group), static_cast<double>(group.size()), tried_of(group));
  }
  /// C(wrong, k) / C(n, k): the chance that k of n answers are all wrong.
  static double all_wrong(double wrong, double n, double k) {
    double chance = 1;
    for (double i = 0; i < k; ++i) chance *= std::max(wrong - i, 0.0) / (n - i);
    return chance;
  }

  std::int64_t k_ = 4;
  double threshold_ = 0.5;
};

}  // namespace

std::unique_ptr<Method> method_passk() { return std::make_unique<PassK>(); }

}  // namespace attune::algorithm
