#include "model/decode/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/block/instruction_sets.h"

namespace attune::model {
namespace {

constexpr std::int64_t kLanes = kBlockTokens;
constexpr float kMasked = -1e30F;

/// Scores of one block: lanes[j] = scale * <query, key_j>.
ATTUNE_CLONES void score_block(const float* __restrict query, const float* __restrict keys,
                               std::int64_t head_dim, float scale, float* __restrict lanes) {
  float even[kLanes] = {}, odd[kLanes] = {};
  std::int64_t d = 0;
  for (; d + 1 < head_dim; d += 2) {
    const float first = query[d], second = query[d + 1];
    const float* row = keys + d * kLanes;
    for (std::int64_t j = 0; j < kLanes; ++j) even[j] += first * row[j];
    for (std::int64_t j = 0; j < kLanes; ++j) odd[j] += second * row[kLanes + j];
  }
  for (; d < head_dim; ++d) {
    for (std::int64_t j = 0; j < kLanes; ++j) even[j] += query[d] * keys[d * kLanes + j];
  }
  for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] = scale * (even[j] + odd[j]);
}

/// scores = exp(scores - highest), with the sum returned. Cody–Waite reduction and a degree-6 polynomial:
/// relative error below 2e-7, and it vectorises where std::exp does not.
ATTUNE_CLONES double exponentials(float* __restrict scores, std::int64_t count, float highest) {
  float sums[kLanes] = {};
  for (std::int64_t block = 0; block < count; block += kLanes) {
    float* lanes = scores + block;
    for (std::int64_t j = 0; j < kLanes; ++j) {
      const float x = lanes[j] - highest;
      const float clamped = x < -87.0F ? -87.0F : x;
      const float shifted = clamped * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: rounds to the nearest integer
      const float n = shifted - 12582912.0F;
      const float r = clamped - n * 0.693359375F + n * 2.12194440e-4F;
      float p = 1.0F / 720;
      p = p * r + 1.0F / 120;
      p = p * r + 1.0F / 24;
      p = p * r + 1.0F / 6;
      p = p * r + 0.5F;
      p = p * r + 1.0F;
      p = p * r + 1.0F;
      const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
      float power;
      std::memcpy(&power, &bits, sizeof power);
      const float value = x < -87.0F ? 0.0F : p * power;
      lanes[j] = value;
      sums[j] += value;
    }
  }
  double sum = 0;
  for (float lane : sums) sum += lane;
  return sum;
}

/// out += weights[j] * values[j, :] over the tokens [begin, end) of a block.
ATTUNE_CLONES void add_values(const float* __restrict weights, const float* __restrict values,
                              std::int64_t begin, std::int64_t end, std::int64_t value_dim,
                              float* __restrict out) {
  for (std::int64_t j = begin; j < end; ++j) {
    const float weight = weights[j];
    const float* row = values + j * value_dim;
    for (std::int64_t d = 0; d < value_dim; ++d) out[d] += weight * row[d];
  }
}

/// The lanes [begin, end) of a block that a row sees.
struct Visible {
  std::int64_t begin, end;
};
Visible visible(const KvBlockRef& block, std::int32_t position, std::int64_t oldest) {
  const std::int64_t first = block.first_position;
  return {std::clamp<std::int64_t>(oldest - first, 0, block.count),
          std::clamp<std::int64_t>(position + 1 - first, 0, block.count)};
}

/// Where the blocks of a row begin that the window still sees.
std::span<const KvBlockRef> in_window(const AttentionRow& row, std::int64_t oldest) {
  std::size_t skip = 0;
  while (skip + 1 < row.blocks.size() && row.blocks[skip].first_position + row.blocks[skip].count <= oldest)
    ++skip;
  return row.blocks.subspan(skip);
}

/// What stands between the products of a block and its softmax. @param distance from the row to the first
/// lane
void modify_scores(const AttentionShape& shape, std::int64_t head, std::int64_t distance, float* lanes) {
  if (shape.softcap > 0)
    for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] = shape.softcap * std::tanh(lanes[j] / shape.softcap);
  if (shape.slopes.empty()) return;
  const double slope = shape.slopes[static_cast<std::size_t>(head)];
  for (std::int64_t j = 0; j < kLanes; ++j)
    lanes[j] -= static_cast<float>(slope * static_cast<double>(distance - j));
}

}  // namespace

void store_key_value(const AttentionShape& shape, const AttentionRow& row, const float* key,
                     const float* value) {
  const KvShape& kv = shape.kv;
  const KvBlockRef& block = row.blocks.back();
  const std::int64_t lane = row.position - block.first_position;
  float* keys = block.data + shape.layer * kv.layer_floats();
  float* values = keys + kv.key_floats();
  for (std::int64_t i = 0; i < kv.kv_heads * kv.head_dim; ++i) keys[i * kLanes + lane] = key[i];
  for (std::int64_t h = 0; h < kv.kv_heads; ++h) {
    std::copy_n(value + h * kv.value_dim, kv.value_dim, values + (h * kLanes + lane) * kv.value_dim);
  }
}

void attend(const AttentionShape& shape, const AttentionRow& row, std::int64_t kv_head, const float* query,
            float* out) {
  const KvShape& kv = shape.kv;
  const std::int64_t oldest = shape.window > 0 ? row.position - shape.window + 1 : 0;
  const auto blocks = in_window(row, oldest);
  const std::int64_t lanes = static_cast<std::int64_t>(blocks.size()) * kLanes;
  thread_local std::vector<float> scratch;  // grows to the longest context once per thread
  if (static_cast<std::int64_t>(scratch.size()) < lanes) scratch.resize(static_cast<std::size_t>(2 * lanes));
  float* scores = scratch.data();

  const std::int64_t keys_at = shape.layer * kv.layer_floats() + kv_head * kv.head_dim * kLanes;
  const std::int64_t values_at =
      shape.layer * kv.layer_floats() + kv.key_floats() + kv_head * kv.value_dim * kLanes;
  const bool modified = shape.softcap > 0 || !shape.slopes.empty();
  const std::int64_t group = shape.heads / kv.kv_heads;
  for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    float highest = kMasked;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      float* lane = scores + static_cast<std::int64_t>(b) * kLanes;
      score_block(query + head * kv.head_dim, blocks[b].data + keys_at, kv.head_dim, shape.scale, lane);
      if (modified) modify_scores(shape, head, row.position - blocks[b].first_position, lane);
      const Visible seen = visible(blocks[b], row.position, oldest);
      for (std::int64_t j = 0; j < kLanes; ++j) {
        if (j < seen.begin || j >= seen.end) lane[j] = kMasked;
        highest = lane[j] > highest || lane[j] != lane[j] ? lane[j]
                                                          : highest;  // a NaN stays and shows in the logits
      }
    }
    const auto inverse = static_cast<float>(1 / exponentials(scores, lanes, highest));
    float* result = out + head * kv.value_dim;
    std::fill_n(result, kv.value_dim, 0.0F);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const Visible seen = visible(blocks[b], row.position, oldest);
      add_values(scores + static_cast<std::int64_t>(b) * kLanes, blocks[b].data + values_at, seen.begin,
                 seen.end, kv.value_dim, result);
    }
    for (std::int64_t d = 0; d < kv.value_dim; ++d) result[d] *= inverse;
  }
}

}  // namespace attune::model
