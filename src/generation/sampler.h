// From logits to a token: penalties, filters and the draw, in the order and with the meaning of transformers'
// logits processors (repetition penalty → temperature → top-k → top-p → min-p).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune::generation {

/// Temperatures below this divide logits beyond what float32 holds; they mean greedy.
inline constexpr double kGreedyBelow = 1e-5;

/// What of SamplingOptions concerns one token.
struct Filters {
  double temperature = 1;  ///< below kGreedyBelow: the most probable token (the first of equals)
  std::int64_t top_k = 0;
  double top_p = 1, min_p = 0;
};

/// A token that may be drawn, with its probability after all filters.
struct Choice {
  std::int32_t token;
  double probability;
};

/// logit / penalty if positive, logit * penalty if negative, for every token of `seen` (each named once).
/// Keskar et al. 2019, arXiv:1909.05858, with the sign rule of transformers.
void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> seen, double penalty);

/// The tokens that the filters leave, in ascending order of id, with probabilities that sum to 1. Needs
/// temperature >= kGreedyBelow and finite or -inf logits.
/// - top-k keeps every token whose logit is at least the k-th highest (ties are kept);
/// - top-p keeps the fewest most probable tokens whose sum reaches p; of equal ones, higher ids first;
/// - min-p keeps tokens of at least min_p times the highest probability.
std::vector<Choice> filtered(std::span<const float> logits, const Filters& filters);

/// The token at quantile `uniform` in [0, 1) of the filtered distribution, or the most probable one when
/// greedy.
std::int32_t choose(std::span<const float> logits, const Filters& filters, double uniform);

}  // namespace attune::generation
