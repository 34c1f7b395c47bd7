#include "model/rope_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace attune::model {
namespace {

RopeKind kind_of(const ConfigReader& scaling) {
  static constexpr std::array<std::pair<std::string_view, RopeKind>, 8> kKinds = {{
      {"default", RopeKind::kDefault},
      {"linear", RopeKind::kLinear},
      {"dynamic", RopeKind::kDynamic},
      {"llama3", RopeKind::kLlama3},
      {"yarn", RopeKind::kYarn},
      {"longrope", RopeKind::kLongrope},
      {"su", RopeKind::kLongrope},
      {"mrope", RopeKind::kDefault},
  }};
  const std::string_view key = scaling.has("rope_type") ? "rope_type" : "type";
  const std::string name = scaling.text(key, "default");
  for (const auto& [known, kind] : kKinds)
    if (name == known) return kind;
  scaling.fail(key, "one of default, linear, dynamic, llama3, yarn, longrope");
}

double magnitude(double scale, double weight) {
  return scale <= 1 ? 1.0 : 0.1 * weight * std::log(scale) + 1.0;
}

double required_factor(const ConfigReader& scaling) {
  if (!scaling.has("factor")) scaling.fail("factor", "a number above 0 for this rope_type");
  return scaling.positive("factor", 1);
}

void read_yarn(const ConfigReader& scaling, double ratio, RopeConfig& rope) {
  rope.factor = scaling.positive("factor", ratio);
  const double fast = scaling.number("beta_fast", 0), slow = scaling.number("beta_slow", 0);
  rope.beta_fast = fast != 0 ? fast : 32;
  rope.beta_slow = slow != 0 ? slow : 1;
  rope.truncate = scaling.boolean("truncate", true);
  const double all = scaling.number("mscale", 0), all_dim = scaling.number("mscale_all_dim", 0);
  const double by_factor = all != 0 && all_dim != 0
                               ? magnitude(rope.factor, all) / magnitude(rope.factor, all_dim)
                               : magnitude(rope.factor, 1);
  rope.attention_factor = scaling.positive("attention_factor", by_factor);
}

void read_longrope(const ConfigReader& scaling, double ratio, RopeConfig& rope) {
  rope.factor = scaling.positive("factor", ratio);
  const double original = static_cast<double>(rope.original_max_positions);
  const double by_factor = rope.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(rope.factor) / std::log(original));
  rope.attention_factor = scaling.positive("attention_factor", by_factor);
  rope.short_factor = scaling.numbers("short_factor");
  rope.long_factor = scaling.numbers("long_factor");
  const auto expected = static_cast<std::size_t>(rope.dims / 2);
  const auto check = [&](const std::vector<double>& factors, const char* key) {
    const auto bad = [](double f) { return !(f > 0) || !std::isfinite(f); };
    if (factors.size() != expected || std::any_of(factors.begin(), factors.end(), bad))
      scaling.fail(key, fmt::format("a list of {} positive numbers, one for each pair of rotated dimensions",
                                    expected));
  };
  check(rope.short_factor, "short_factor");
  check(rope.long_factor, "long_factor");
}

}  // namespace

RopeConfig read_rope(const ConfigReader& config, std::int64_t head_dim, std::int64_t max_positions,
                     double default_theta, const std::string& layer_type, double default_partial) {
  const core::Json* old = config.find("rope_scaling");
  const char* key = old && !old->empty() ? "rope_scaling" : "rope_parameters";  // {} says nothing
  ConfigReader scaling = config.object(key);
  if (const auto* nested = scaling.find(layer_type); nested && nested->is_object())
    scaling = scaling.object(layer_type);
  RopeConfig rope;
  rope.kind = kind_of(scaling);
  rope.theta = scaling.positive("rope_theta", config.positive("rope_theta", default_theta));
  const bool whole = default_partial == 0 && rope.kind == RopeKind::kDefault;
  const double otherwise =
      config.positive("partial_rotary_factor", default_partial > 0 ? default_partial : 1);
  const double partial = whole ? 1 : scaling.positive("partial_rotary_factor", otherwise);
  rope.dims = static_cast<std::int64_t>(static_cast<double>(head_dim) * partial);
  if (rope.dims < 2 || rope.dims % 2 != 0 || rope.dims > head_dim)
    core::fail_request(
        "{}: {} rotated dimensions of a head of {} (partial_rotary_factor {}): rotary embeddings need "
        "an even number of at least 2",
        config.where(), rope.dims, head_dim, partial);
  rope.original_max_positions = config.integer(
      "original_max_position_embeddings",
      scaling.integer("original_max_position_embeddings", max_positions, 1, 1 << 28), 1, 1 << 28);
  const double ratio = static_cast<double>(max_positions) / static_cast<double>(rope.original_max_positions);
  switch (rope.kind) {
    case RopeKind::kNone:
    case RopeKind::kDefault:
      break;
    case RopeKind::kDynamic:
      if (rope.dims == 2)
        core::fail_request("{}: dynamic rope needs more than 2 rotated dimensions", config.where());
      [[fallthrough]];
    case RopeKind::kLinear:
      rope.factor = required_factor(scaling);
      break;
    case RopeKind::kLlama3:
      rope.factor = required_factor(scaling);
      rope.low_freq_factor = scaling.positive("low_freq_factor", 1);
      rope.high_freq_factor = scaling.positive("high_freq_factor", 4);
      if (rope.low_freq_factor == rope.high_freq_factor)
        scaling.fail("high_freq_factor", "different from low_freq_factor");
      break;
    case RopeKind::kYarn:
      read_yarn(scaling, ratio, rope);
      break;
    case RopeKind::kLongrope:
      read_longrope(scaling, ratio, rope);
      break;
  }
  return rope;
}

}  // namespace attune::model
