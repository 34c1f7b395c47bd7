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

/// logit / penalty if positive, logit * penalty if negative, for every token of `seen` (each named once).
/// Keskar et al. 2019, arXiv:1909.05858, with the sign rule of transformers.
void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> seen, double penalty);

/// Divides the logits (finite or -inf) by the temperature and sets those that the filters drop to -inf; when
/// greedy, all but the most probable token's.
/// - top-k keeps every token whose logit is at least the k-th highest (ties are kept);
/// - top-p keeps the fewest most probable tokens whose sum reaches p; of equal ones, higher ids first;
/// - min-p keeps tokens of at least min_p times the highest probability.
void filter(std::span<float> logits, const Filters& filters);

/// A token that may be drawn.
struct Choice {
  std::int32_t token;
  double probability;
};

/// softmax(logits) without the tokens at -inf, in ascending order of id; the sum is 1. Empty when that is no
/// distribution: every logit is -inf, or one is NaN or +inf.
std::vector<Choice> distribution(std::span<const float> logits);

/// The token at quantile `uniform` in [0, 1) of a distribution that is not empty.
std::int32_t choose(std::span<const Choice> choices, double uniform);

}  // namespace attune::generation
