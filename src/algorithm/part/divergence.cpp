#include "algorithm/part/divergence.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace attune::algorithm {

const std::vector<std::string>& divergence_names() {
  static const std::vector<std::string> names = {"reverse_kl", "forward_kl", "js_divergence",
                                                 "alpha_divergence"};
  return names;
}

at::Tensor divergence_score(const std::string& divergence, double alpha, const at::Tensor& log_ratio) {
  if (divergence == "reverse_kl") return log_ratio;
  if (divergence == "forward_kl") return 1 - (-log_ratio).exp();
  if (divergence == "js_divergence") return at::log_sigmoid(log_ratio) + std::numbers::ln2;
  ATTUNE_ASSERT(divergence == "alpha_divergence");
  if (std::abs(alpha - 1) < 1e-6) return log_ratio;
  constexpr double kLargestExponent = 80;
  return (((alpha - 1) * log_ratio).clamp_max(kLargestExponent).exp() - 1) / (alpha - 1);
}

}  // namespace attune::algorithm
