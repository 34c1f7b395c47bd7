// How far two float32 computations of the same number may lie apart: tests/tolerance.py has the error
// analysis.
#pragma once

#include <cmath>
#include <cstdint>

namespace attune::test {

/// @param magnitude the largest partial result on the way to the number
/// @param terms how many terms are added up one after the other on the way there
inline double float32_tolerance(double magnitude, double terms) {
  constexpr double kUnitRoundoff = 1.0 / (1 << 24), kDeviations = 6, kLanes = 4;
  return kDeviations * std::sqrt(2.0) * kUnitRoundoff * magnitude * std::sqrt(terms / kLanes / 3);
}

/// Terms of the sums from a token's embedding to its logits, in a sequence of `tokens`; `config` is a
/// model's.
template <class ModelConfig>
double forward_terms(const ModelConfig& config, std::int64_t tokens) {
  const std::int64_t layer = 5 * config.hidden_size + config.intermediate_size + config.head_dim + 2 * tokens;
  return static_cast<double>(config.layers * layer + 2 * config.hidden_size);
}

/// What log-probabilities of a sequence may differ by of which the least is `smallest`.
template <class ModelConfig>
double logp_tolerance(const ModelConfig& config, double smallest, std::int64_t tokens) {
  const double magnitude = std::fmax(-smallest, std::log(static_cast<double>(config.vocab_size)));
  return float32_tolerance(magnitude, forward_terms(config, tokens));
}

/// What activations of a sequence, of which the largest is `largest`, may differ by.
template <class ModelConfig>
double activation_tolerance(const ModelConfig& config, double largest, std::int64_t tokens) {
  return float32_tolerance(largest, forward_terms(config, tokens));
}

}  // namespace attune::test
