// The rotation of single rows, for decoding: plain pointers, no tensors.
#pragma once

#include <cstdint>

namespace attune::model {

/// The heads of one row: (x, y) → (x cos - y sin, y cos + x sin) with y = x[i + half] for the first 2 * half
/// dimensions (half-split, as Hugging Face stores Llama weights); the rest is copied.
/// @param heads head h begins at heads + h * stride. @param out [count, width]
void rotate_row(const float* heads, std::int64_t count, std::int64_t stride, std::int64_t width,
                const float* cos, const float* sin, std::int64_t half, float* out);

}  // namespace attune::model
