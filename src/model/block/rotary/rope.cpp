// Position tables: the arithmetic of transformers' modeling_rope_utils, in float32 whatever the model's type.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "model/block/rotary/rope.h"

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
  if (length <= max_positions) return inverse_powers(rope.theta, rope.dims);
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
      // beside a dynamic rotation the table is the length itself
      const bool is_long = table == 1 || table > rope.original_max_positions;
      const auto factors =
          at::tensor(is_long ? rope.long_factor : rope.short_factor, at::kDouble).to(at::kFloat);
      return (factors * at::pow(rope.theta, exponents(rope.dims))).reciprocal_();
    }
    default:
      return inverse_powers(rope.theta, rope.dims);
  }
}

void RowPlaces::add(std::int32_t position, std::int32_t table) {
  const auto row = static_cast<std::int64_t>(positions.size());
  positions.push_back(position);
  if (!runs.empty() && runs.back().table == table) {
    ++runs.back().end;
  } else {
    runs.push_back({row, row + 1, table});
  }
}

RowPlaces places_of(const core::Forest& forest) {
  RowPlaces places{forest.positions, {}};
  for (const auto& segment : forest.segments) {
    if (!places.runs.empty() && places.runs.back().table == segment.table) {
      places.runs.back().end = segment.end;
    } else {
      places.runs.push_back({segment.begin, segment.end, segment.table});
    }
  }
  return places;
}

std::vector<RopeTables> rope_tables(const ModelConfig& config, const RowPlaces& places,
                                    const at::Tensor& like) {
  std::vector<RopeTables> tables;
  const auto count = static_cast<std::int64_t>(places.positions.size());
  const auto positions = at::from_blob(const_cast<std::int32_t*>(places.positions.data()), {count}, at::kInt)
                             .to(at::kFloat)
                             .unsqueeze(1);
  for (const RopeConfig& rope : config.ropes) {
    if (rope.kind == RopeKind::kNone) {
      tables.emplace_back();
      continue;
    }
    at::Tensor angles = at::empty({count, rope.dims / 2}, at::kFloat);
    std::map<std::int32_t, at::Tensor> frequencies;
    for (const auto& run : places.runs) {
      auto& table = frequencies[run.table];
      if (!table.defined()) table = rope_frequencies(rope, config.max_positions, run.table);
      at::Tensor rows = angles.narrow(0, run.begin, run.end - run.begin);
      at::mul_out(rows, positions.narrow(0, run.begin, run.end - run.begin), table);
    }
    at::Tensor cos = angles.cos(), sin = angles.sin();
    if (rope.attention_factor != 1) cos.mul_(rope.attention_factor), sin.mul_(rope.attention_factor);
    tables.push_back({cos.to(like.options()), sin.to(like.options())});
  }
  return tables;
}

}  // namespace attune::model
