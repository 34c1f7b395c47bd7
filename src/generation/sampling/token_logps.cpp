#include "generation/sampling/token_logps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attune::generation {
namespace {

constexpr float kDropped = -std::numeric_limits<float>::infinity();

}  // namespace

std::vector<TokenLogp> token_logps(std::span<const float> logits) {
  std::vector<TokenLogp> tokens;
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (logits[i] != kDropped) tokens.push_back({static_cast<std::int32_t>(i), logits[i]});
  if (tokens.empty()) return tokens;
  const double highest = std::ranges::max_element(tokens, {}, &TokenLogp::logp)->logp;
  double total = 0;
  for (const TokenLogp& token : tokens) total += std::exp(token.logp - highest);
  for (TokenLogp& token : tokens) token.logp -= highest + std::log(total);
  return tokens;
}

double entropy_of(std::span<const TokenLogp> tokens) {
  double entropy = 0;
  for (const TokenLogp& token : tokens) entropy -= std::exp(token.logp) * token.logp;
  return entropy;
}

void drop(std::span<float> logits, std::span<const TokenLogp> tokens) {
  for (const TokenLogp& token : tokens) logits[static_cast<std::size_t>(token.token)] = kDropped;
}

void drop_below(std::span<float> logits, std::span<const TokenLogp> tokens, double least) {
  if (tokens.empty()) return;
  const double highest = std::ranges::max_element(tokens, {}, &TokenLogp::logp)->logp;
  const double logp = std::min(std::log(least), highest);
  for (const TokenLogp& token : tokens)
    if (token.logp < logp) drop(logits, {&token, 1});
}

}  // namespace attune::generation
