#include "training/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune::training {

AdamW::AdamW(std::vector<model::Parameter> parameters, OptimizerOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& parameter : parameters_) {
    exp_avg_.push_back(at::zeros_like(parameter.tensor));
    exp_avg_sq_.push_back(at::zeros_like(parameter.tensor));
  }
}

double AdamW::grad_norm() const {
  // As clip_grad_norm_: the norm of the tensors' norms, in the gradients' own precision.
  std::vector<at::Tensor> norms;
  for (const auto& parameter : parameters_)
    if (parameter.tensor.grad().defined()) norms.push_back(at::norm(parameter.tensor.grad(), 2));
  return norms.empty() ? 0 : at::norm(at::stack(norms), 2).item<double>();
}

void AdamW::drop_gradients() {
  for (auto& parameter : parameters_) parameter.tensor.mutable_grad() = at::Tensor();
}

void AdamW::update(const std::vector<std::size_t>& indices, double learning_rate, double decay) {
  std::vector<at::Tensor> tensors, grads, averages, squares, none, counts;
  for (const std::size_t i : indices) {
    const auto& parameter = parameters_[i];
    if (!parameter.tensor.grad().defined()) continue;
    tensors.push_back(parameter.tensor.detach());  // shares storage; the update must not be on the tape
    grads.push_back(parameter.tensor.grad().to(parameter.tensor.scalar_type()).contiguous());
    averages.push_back(exp_avg_[i]);
    squares.push_back(exp_avg_sq_[i]);
    counts.push_back(at::full({}, static_cast<double>(steps_),
                              at::TensorOptions(at::kFloat).device(parameter.tensor.device())));
  }
  if (tensors.empty()) return;
  at::_fused_adamw_(tensors, grads, averages, squares, none, counts, learning_rate, options_.adam_beta1,
                    options_.adam_beta2, decay, options_.adam_epsilon, /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::step(double learning_rate, double norm) {
  c10::NoGradGuard no_grad;
  ++steps_;
  if (options_.max_grad_norm > 0) {
    const double factor = std::min(1.0, options_.max_grad_norm / (norm + 1e-6));
    for (auto& parameter : parameters_)
      if (factor < 1 && parameter.tensor.grad().defined()) parameter.tensor.mutable_grad().mul_(factor);
  }
  std::vector<std::size_t> decayed, others;
  for (std::size_t i = 0; i < parameters_.size(); ++i) (parameters_[i].decay ? decayed : others).push_back(i);
  update(decayed, learning_rate, options_.weight_decay);
  update(others, learning_rate, 0);
  drop_gradients();
}

std::map<std::string, at::Tensor> AdamW::moments() const {
  std::map<std::string, at::Tensor> result;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    result[parameters_[i].name + ".exp_avg"] = exp_avg_[i];
    result[parameters_[i].name + ".exp_avg_sq"] = exp_avg_sq_[i];
  }
  return result;
}

void AdamW::restore(const std::map<std::string, at::Tensor>& moments, std::int64_t steps,
                    const std::string& where) {
  const auto take = [&](const std::string& name, at::Tensor& into) {
    const auto found = moments.find(name);
    if (found == moments.end() || found->second.sizes() != into.sizes())
      core::fail_request("{}: {} is missing or has another shape; the checkpoint belongs to another run",
                         where, name);
    into.copy_(found->second);
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    take(parameters_[i].name + ".exp_avg", exp_avg_[i]);
    take(parameters_[i].name + ".exp_avg_sq", exp_avg_sq_[i]);
  }
  steps_ = steps;
}

}  // namespace attune::training
