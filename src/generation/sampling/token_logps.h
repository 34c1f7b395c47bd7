// A distribution by its logarithms, for filters that ask how surprising a token is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune::generation {

struct TokenLogp {
  std::int32_t token;
  double logp;
};

/// ln softmax(logits) of the tokens that are not at -inf, in ascending order of id.
std::vector<TokenLogp> token_logps(std::span<const float> logits);

/// -Σ p ln p, in nats.
double entropy_of(std::span<const TokenLogp> tokens);

/// Sets the logits of tokens to -inf.
void drop(std::span<float> logits, std::span<const TokenLogp> tokens);

/// Drops the tokens that are less probable than `least`, never the most probable one.
void drop_below(std::span<float> logits, std::span<const TokenLogp> tokens, double least);

}  // namespace attune::generation
