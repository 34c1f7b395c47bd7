#include "model/block/rotary/rotate_rows.h"

#include <algorithm>

#include "model/block/instruction_sets.h"

namespace attune::model {

namespace {

ATTUNE_KERNEL void rotate_each(const float* heads, std::int64_t count, std::int64_t stride,
                               std::int64_t width, const float* cos, const float* sin, std::int64_t half,
                               float* __restrict out) {
  for (std::int64_t h = 0; h < count; ++h) {
    const float* x = heads + h * stride;
    float* y = out + h * width;
    for (std::int64_t i = 0; i < half; ++i) y[i] = x[i] * cos[i] - x[i + half] * sin[i];
    for (std::int64_t i = 0; i < half; ++i) y[i + half] = x[i + half] * cos[i] + x[i] * sin[i];
    std::copy(x + 2 * half, x + width, y + 2 * half);
  }
}

}  // namespace

void rotate_row(const float* heads, std::int64_t count, std::int64_t stride, std::int64_t width,
                const float* cos, const float* sin, std::int64_t half, float* __restrict out) {
  ATTUNE_ON_BEST_INSTRUCTIONS(rotate_each(heads, count, stride, width, cos, sin, half, out));
}

}  // namespace attune::model
