#include "generation/sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace attune::generation {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// A token with its logit after penalty and temperature, and e^(logit - highest).
struct Weighted {
  std::int32_t token;
  float logit;
  double weight;
};

/// Descending; of equal logits the higher id first, as in the ascending stable sort of the reference, read
/// backwards.
bool more_probable(const Weighted& a, const Weighted& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token > b.token;
}

void keep_top_k(std::vector<Weighted>& tokens, std::int64_t k) {
  if (k <= 0 || k >= static_cast<std::int64_t>(tokens.size())) return;
  auto kth = tokens.begin() + (k - 1);
  std::nth_element(tokens.begin(), kth, tokens.end(), more_probable);
  const float threshold = kth->logit;
  std::erase_if(tokens, [threshold](const Weighted& token) { return token.logit < threshold; });
}

void keep_top_p(std::vector<Weighted>& tokens, double p) {
  if (p >= 1) return;
  double total = 0;
  for (const Weighted& token : tokens) total += token.weight;
  // A sorted head that grows until it holds the mass: sorting a whole vocabulary for a few dozen tokens is
  // slow.
  double before = 0;
  std::size_t sorted = 0, kept = 0;
  for (std::size_t head = 64; sorted < tokens.size(); head *= 8) {
    const std::size_t end = std::min(head, tokens.size());
    std::partial_sort(tokens.begin() + static_cast<std::ptrdiff_t>(sorted),
                      tokens.begin() + static_cast<std::ptrdiff_t>(end), tokens.end(), more_probable);
    sorted = end;
    for (; kept < sorted && (kept == 0 || before < p * total); ++kept) before += tokens[kept].weight;
    if (kept < sorted) break;
  }
  tokens.resize(kept);
}

void keep_min_p(std::vector<Weighted>& tokens, double min_p) {
  if (min_p <= 0) return;
  double highest = 0;
  for (const Weighted& token : tokens) highest = std::max(highest, token.weight);
  std::erase_if(tokens, [=](const Weighted& token) { return token.weight < min_p * highest; });
}

}  // namespace

void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> seen, double penalty) {
  const auto factor = static_cast<float>(penalty);
  for (const std::int32_t token : seen) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit < 0 ? logit * factor : logit / factor;
  }
}

void filter(std::span<float> logits, const Filters& filters) {
  ATTUNE_ASSERT(!logits.empty());
  if (filters.temperature < kGreedyBelow) {
    const auto most = std::max_element(logits.begin(), logits.end());
    const float logit = *most;
    std::fill(logits.begin(), logits.end(), kNever);
    *most = logit;
    return;
  }
  const auto temperature = static_cast<float>(filters.temperature);
  if (temperature != 1)
    for (float& logit : logits) logit /= temperature;
  if (filters.top_k <= 0 && filters.top_p >= 1 && filters.min_p <= 0) return;
  std::vector<Weighted> tokens;
  tokens.reserve(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    tokens.push_back({static_cast<std::int32_t>(i), logits[i], 0});
  const float highest = *std::max_element(logits.begin(), logits.end());
  keep_top_k(tokens, filters.top_k);
  for (Weighted& token : tokens) token.weight = std::exp(static_cast<double>(token.logit - highest));
  keep_top_p(tokens, filters.top_p);
  keep_min_p(tokens, filters.min_p);
  std::fill(logits.begin(), logits.end(), kNever);
  for (const Weighted& token : tokens) logits[static_cast<std::size_t>(token.token)] = token.logit;
}

std::vector<Choice> distribution(std::span<const float> logits) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  std::vector<Choice> choices;
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == kNever) continue;
    choices.push_back({static_cast<std::int32_t>(i), std::exp(static_cast<double>(logits[i] - highest))});
    total += choices.back().probability;
  }
  if (choices.empty() || !std::isfinite(total)) return {};
  for (Choice& choice : choices) choice.probability /= total;
  return choices;
}

std::int32_t choose(std::span<const Choice> choices, double uniform) {
  ATTUNE_ASSERT(!choices.empty());
  double below = 0;
  std::int32_t last = choices.front().token;
  for (const Choice& choice : choices) {
    if (choice.probability <= 0) continue;
    last = choice.token;
    below += choice.probability;
    if (uniform < below) break;
  }
  return last;
}

}  // namespace attune::generation
