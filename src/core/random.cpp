#include "core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace attune::core {
namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser: folds wide keys into the 64 bits Philox takes
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::array<std::uint32_t, 4> words_of(const RandomKey& key) {
  const std::uint64_t seed = mix(key.seed + 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(key.purpose));
  const std::uint64_t place = mix(mix(key.step + 0x632be59bd9b4e019ULL) + key.record);
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  return philox({low(key.token), low(key.sample), low(place), high(place)},
                {low(seed) ^ high(key.token), high(seed) ^ high(key.sample)});
}

double to_unit(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1.0p-53;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kMultiplier0) * c[0];
    const std::uint64_t p1 = static_cast<std::uint64_t>(kMultiplier1) * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k = {k[0] + kWeyl0, k[1] + kWeyl1};
  }
  return c;
}

std::uint64_t random_bits(const RandomKey& key) {
  const auto words = words_of(key);
  return static_cast<std::uint64_t>(words[0]) << 32 | words[1];
}

double uniform(const RandomKey& key) {
  const auto words = words_of(key);
  return to_unit(words[0], words[1]);
}

double normal(const RandomKey& key) {
  const auto words = words_of(key);
  const double radius = std::sqrt(-2.0 * std::log1p(-to_unit(words[0], words[1])));
  return radius * std::cos(2.0 * std::numbers::pi * to_unit(words[2], words[3]));
}

std::vector<std::uint32_t> permutation(std::uint64_t seed, std::uint64_t epoch, std::uint32_t count) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = count; i > 1; --i) {
    const double u = uniform({.seed = seed, .purpose = Purpose::kShuffle, .step = epoch, .token = i});
    std::swap(order[i - 1], order[static_cast<std::uint32_t>(u * i)]);
  }
  return order;
}

}  // namespace attune::core
