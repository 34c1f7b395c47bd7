// Dr. GRPO (Liu et al. 2025, arXiv:2503.20783, section 3.2): GRPO without its two biases. Advantages are not
// divided by the deviation, and sums over tokens are divided by a constant instead of the answer's own
// length.
//
//   L = mean_i (1/L_max) Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε) A_i) + β k3 ],   A_i = r_i − mean of the group
//
// with k3 = π_ref/π − log(π_ref/π) − 1.
#include <ATen/ATen.h>

#include "algorithm/base/group/clipped_policy_method.h"

namespace attune::algorithm {

namespace {

class DrGrpo final : public ClippedPolicyMethod {
 public:
  DrGrpo() : ClippedPolicyMethod({.scale_rewards = "none"}) {}
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "dr_grpo";
    info.title = "GRPO done right";
    info.paper = "Liu et al. 2025, arXiv:2503.20783, section 3.2";
    info.formula =
        "L = mean_i (1/L_max) Σ_t [ −min(ρ A_i, clip(ρ, 1−ε, 1+ε_high) A_i) + β k3 ],   L_max = "
        "max_completion_length\n"
        "ρ = π/π_old,  k3 = π_ref/π − log(π_ref/π) − 1,  A_i = r_i − mean of group";
    info.summary =
        "GRPO without division by length and by the spread of rewards, which favour long wrong answers and "
        "easy prompts.";
    info.departures =
        "scale_rewards is none here, as the paper says; TRL divides by the group's deviation unless told "
        "otherwise.";
    info.trl_names = {{"grpo", "dr_grpo"}};
    info.rows = {"T13"};
    return info;
  }

 protected:
  void declare(core::Fields& fields) override {
    ClippedPolicyMethod::declare(fields);
    fields
        .add("max_completion_length", max_completion_length_,
             "The constant L_max that sums over tokens are divided by.")
        .positive();
  }
  at::Tensor normaliser(const Batch& batch) const override {
    return at::full({batch.size()}, batch.totals.candidates * static_cast<double>(max_completion_length_),
                    at::kDouble);
  }

 private:
  std::int64_t max_completion_length_ = 512;
};

}  // namespace

std::unique_ptr<Method> method_dr_grpo() { return std::make_unique<DrGrpo>(); }

}  // namespace attune::algorithm
