// Position tables: the arithmetic of transformers' modeling_rope_utils, in float32 whatever the model's type.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "model/block/rope.h"

namespace attune::model {
namespace {

/// 2i / d for every rotated pair, float32 [d/2].
at::Tensor exponents(std::int64_t dims) {
  return at::arange(0, dims, 2, at::TensorOptions().dtype(at::kLong)).to(at::kFloat) /
         static_cast<double>(dims);
}

at::Tensor inverse_powers(double base, std::int64_t dims) {
  return at::pow(base, exponents(dims)).reciprocal_();
}

at::Tensor llama3_frequencies(const RopeConfig& rope) {
  const at::Tensor plain = inverse_powers(rope.theta, rope.dims);
  const double original = static_cast<double>(rope.original_max_positions);
  const double low = original / rope.low_freq_factor, high = original / rope.high_freq_factor;
  const at::Tensor length = at::reciprocal(plain) * (2 * std::numbers::pi);
  const at::Tensor scaled = at::where(length > low, plain / rope.factor, plain);
  const at::Tensor smooth = (at::reciprocal(length) * original - rope.low_freq_factor) /
                            (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor mixed = (1 - smooth) * scaled / rope.factor + smooth * scaled;
  const at::Tensor medium = at::logical_and(length >= high, length <= low);
  return at::where(medium, mixed, scaled);
}

at::Tensor yarn_frequencies(const RopeConfig& rope) {
  const double dims = static_cast<double>(rope.dims),
               original = static_cast<double>(rope.original_max_positions);
  const auto dimension = [&](double rotations) {
    return dims * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(rope.theta));
  };
  double low = dimension(rope.beta_fast), high = dimension(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dims - 1);
  if (low == high) high += 0.001;
  const at::Tensor index = at::arange(rope.dims / 2, at::TensorOptions().dtype(at::kFloat));
  const at::Tensor unscaled_share = 1 - at::clamp((index - low) / (high - low), 0, 1);
  const at::Tensor powers = at::pow(rope.theta, exponents(rope.dims));
  const at::Tensor unscaled = at::reciprocal(powers), interpolated = at::reciprocal(powers * rope.factor);
  return interpolated * (1 - unscaled_share) + unscaled * unscaled_share;
}

at::Tensor dynamic_frequencies(const RopeConfig& rope, std::int64_t max_positions, std::int32_t length) {
  if (length == 0) return inverse_powers(rope.theta, rope.dims);
  // transformers computes the grown base in float32 tensors
  const at::Tensor ratio = at::scalar_tensor(length, at::TensorOptions().dtype(at::kLong)) * rope.factor /
                           static_cast<double>(max_positions);
  const double power = static_cast<double>(rope.dims) / static_cast<double>(rope.dims - 2);
  const at::Tensor base = at::pow(ratio - (rope.factor - 1), power) * rope.theta;
  return at::pow(base, exponents(rope.dims)).reciprocal_();
}

}  // namespace

at::Tensor rope_frequencies(const RopeConfig& rope, std::int64_t max_positions, std::int32_t table) {
  switch (rope.kind) {
    case RopeKind::kLinear:
      return inverse_powers(rope.theta, rope.dims) / rope.factor;
    case RopeKind::kDynamic:
      return dynamic_frequencies(rope, max_positions, table);
    case RopeKind::kLlama3:
      return llama3_frequencies(rope);
    case RopeKind::kYarn:
      return yarn_frequencies(rope);
    case RopeKind::kLongrope: {
      const auto factors =
          at::tensor(table == 0 ? rope.short_factor : rope.long_factor, at::kDouble).to(at::kFloat);
      return (factors * at::pow(rope.theta, exponents(rope.dims))).reciprocal_();
    }
    default:
      return inverse_powers(rope.theta, rope.dims);
  }
}

RopeTables rope_tables(const ModelConfig& config, const core::Forest& forest, const at::Tensor& like) {
  const std::int64_t pairs = config.rope.dims / 2;
  const auto positions =
      at::from_blob(const_cast<std::int32_t*>(forest.positions.data()), {forest.size()}, at::kInt)
          .to(at::kFloat)
          .unsqueeze(1);
  at::Tensor angles = at::empty({forest.size(), pairs}, at::kFloat);
  std::map<std::int32_t, at::Tensor> frequencies;
  for (const auto& segment : forest.segments) {
    auto& table = frequencies[segment.table];
    if (!table.defined()) table = rope_frequencies(config.rope, config.max_positions, segment.table);
    const std::int64_t count = segment.end - segment.begin;
    at::Tensor rows = angles.narrow(0, segment.begin, count);
    at::mul_out(rows, positions.narrow(0, segment.begin, count), table);
  }
  const double factor = config.rope.attention_factor;
  return {(angles.cos() * factor).to(like.options()), (angles.sin() * factor).to(like.options())};
}

}  // namespace attune::model
