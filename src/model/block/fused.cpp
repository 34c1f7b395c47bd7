#include "model/block/fused.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace attune::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Half precisions are computed in float32.
at::Tensor widened(const at::Tensor& x) {
  return at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, double eps,
                            bool plus_one) {
    const at::Tensor values = widened(x);
    const at::Tensor inverse = at::rsqrt(values.square().mean(-1, true).add_(eps));
    ctx->save_for_backward({x, weight, inverse});
    ctx->saved_data["plus_one"] = plus_one;
    at::Tensor normed = values * inverse;
    if (plus_one)
      return normed.mul_(1 + widened(weight)).to(x.scalar_type());  // Gemma casts after the multiplication
    return normed.to(x.scalar_type()).mul_(weight);
  }

  /// y = w n, n = x r, r = (mean x² + eps)^-1/2:  dx = r (g w - n mean(g w n)),  dw = Σ g n.
  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &inverse = saved[2];
    const at::Tensor gradient = widened(gradients[0]), normed = widened(x) * inverse;
    const at::Tensor factor = ctx->saved_data["plus_one"].toBool() ? 1 + widened(weight) : widened(weight);
    at::Tensor dx, dw;
    if (ctx->needs_input_grad(0)) {
      const at::Tensor upstream = gradient * factor;
      const at::Tensor mean = (upstream * normed).mean(-1, true);
      dx = at::addcmul(upstream, normed, mean, -1).mul_(inverse).to(x.scalar_type());
    }
    if (ctx->needs_input_grad(1))
      dw = (gradient * normed).reshape({-1, weight.size(0)}).sum(0).to(weight.scalar_type());
    return {dx, dw, at::Tensor(), at::Tensor()};
  }
};

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

/// Saves gate and up only; the activated gate is computed again in the backward.
struct GatedSilu : torch::autograd::Function<GatedSilu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }
  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1], &gradient = gradients[0];
    return {at::silu_backward(gradient * up, gate), at::silu(gate).mul_(gradient)};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one) {
  return RmsNorm::apply(x, weight, eps, plus_one);
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return Rotation::apply(x, cos, sin);
}

at::Tensor activate(const at::Tensor& x, Activation kind) {
  switch (kind) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
  }
  return x;
}

at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, Activation kind) {
  if (kind == Activation::kSilu) return GatedSilu::apply(gate, up);
  return activate(gate, kind) * up;
}

}  // namespace attune::model
