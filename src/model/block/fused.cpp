#include "model/block/fused.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/block/kernels.h"

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

at::Tensor rms_norm_by_library(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one) {
  const at::Tensor values = widened(x);
  const at::Tensor normed = values * at::rsqrt(values.square().mean(-1, true) + eps);
  if (plus_one) return (normed * (1 + widened(weight))).to(x.scalar_type());
  return normed.to(x.scalar_type()) * weight;
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one) {
  if (!native_kernels(x)) return rms_norm_by_library(x, weight, eps, plus_one);
  return RmsNorm::apply(x, weight, eps, plus_one);
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
  if (kind == Activation::kSilu && native_kernels(gate)) return GatedSilu::apply(gate, up);
  return activate(gate, kind) * up;
}

}  // namespace attune::model
