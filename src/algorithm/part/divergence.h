// f-divergences between policy and reference for pair-wise methods (f-DPO, Wang et al. 2023,
// arXiv:2309.16240).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace attune::algorithm {

/// "reverse_kl", "forward_kl", "js_divergence", "alpha_divergence" (TRL's names).
const std::vector<std::string>& divergence_names();

/// f'(ρ) for ρ = e^log_ratio, which takes the place of the log-ratio in DPO:
/// reverse KL log ρ | forward KL 1 − 1/ρ | Jensen–Shannon log(2ρ/(1+ρ)) | α (ρ^(α−1) − 1)/(α−1), log ρ at α
/// = 1. Constants cancel between the two sides of a pair. The exponent of α is clamped at 80, as TRL does.
at::Tensor divergence_score(const std::string& divergence, double alpha, const at::Tensor& log_ratio);

}  // namespace attune::algorithm
