// Random numbers without state: every number is a function of (seed, purpose, step, record, sample, token),
// so a resumed, re-batched or re-threaded run draws the same ones. Philox4x32-10 (Salmon et al. 2011,
// "Parallel random numbers: as easy as 1, 2, 3").
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace attune::core {

enum class Purpose : std::uint32_t {
  kShuffle = 1,   ///< order of records in an epoch
  kSampling = 2,  ///< tokens drawn from the model
  kInit = 3,      ///< fresh weights (adapters, heads)
  kDropout = 4,
  kData = 5,      ///< mixtures, mismatched completions, splits
  kBootstrap = 6  ///< confidence intervals
};

struct RandomKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::kSampling;
  std::uint64_t step = 0, record = 0, sample = 0, token = 0;
};

/// Four independent 32-bit words for a counter and a key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// 64 random bits of a key.
std::uint64_t random_bits(const RandomKey& key);

/// Uniform in [0, 1), 53 bits.
double uniform(const RandomKey& key);

/// Standard normal (Box–Muller on the two halves of the key's bits).
double normal(const RandomKey& key);

/// A permutation of 0..count-1 for one epoch: Fisher–Yates with the counter as its source.
std::vector<std::uint32_t> permutation(std::uint64_t seed, std::uint64_t epoch, std::uint32_t count);

}  // namespace attune::core
