// Rotation of queries and keys: one function with a hand-written gradient, a kernel for decoding, and a twin.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/block/kernels.h"
#include "model/block/rotary/rope.h"
#include "model/block/rotary/rotate_rows.h"

namespace attune::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// `direction` 1 rotates, -1 rotates back (the transpose, times the same attention factor).
at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int direction) {
  const std::int64_t pairs = cos.size(1);
  at::Tensor out = at::empty(x.sizes(), x.options());
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  const at::Tensor a = x.narrow(2, 0, pairs), b = x.narrow(2, pairs, pairs);
  at::Tensor out_a = out.narrow(2, 0, pairs), out_b = out.narrow(2, pairs, pairs);
  at::mul_out(out_a, a, c).addcmul_(b, s, -direction);
  at::mul_out(out_b, b, c).addcmul_(a, s, direction);
  if (2 * pairs < x.size(2)) {
    const std::int64_t rest = x.size(2) - 2 * pairs;
    out.narrow(2, 2 * pairs, rest).copy_(x.narrow(2, 2 * pairs, rest));
  }
  return out;
}

struct Rotation : torch::autograd::Function<Rotation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotated(x, cos, sin, 1);
  }
  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    return {rotated(gradients[0], saved[0], saved[1], -1), at::Tensor(), at::Tensor()};
  }
};

at::Tensor rotated_by_rows(const at::Tensor& x, const RopeTables& tables) {
  at::Tensor out = at::empty(x.sizes(), x.options());
  const std::int64_t half = tables.cos.size(1), size = x.size(1) * x.size(2);
  const auto* in = x.const_data_ptr<float>();
  const auto* cos = tables.cos.const_data_ptr<float>();
  const auto* sin = tables.sin.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  for (std::int64_t r = 0; r < x.size(0); ++r)
    rotate_row(in + r * x.stride(0), x.size(1), x.stride(1), x.size(2), cos + r * half, sin + r * half, half,
               to + r * size);
  return out;
}

at::Tensor rotated_by_library(const at::Tensor& x, const RopeTables& tables) {
  const std::int64_t pairs = tables.cos.size(1);
  const at::Tensor c = tables.cos.unsqueeze(1), s = tables.sin.unsqueeze(1);
  const at::Tensor a = x.narrow(2, 0, pairs), b = x.narrow(2, pairs, pairs);
  return at::cat({a * c - b * s, b * c + a * s, x.narrow(2, 2 * pairs, x.size(2) - 2 * pairs)}, 2);
}

}  // namespace

at::Tensor rotate(const at::Tensor& x, const RopeTables& tables) {
  if (!native_kernels(x)) return rotated_by_library(x, tables);
  // Decoding has few rows, for which the calls of library operations cost more than the arithmetic.
  if (x.is_inference() && x.scalar_type() == at::kFloat && x.stride(2) == 1)
    return rotated_by_rows(x, tables);
  return Rotation::apply(x, tables.cos, tables.sin);
}

}  // namespace attune::model
