#include "training/optimizer/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune::training {
namespace {

constexpr const char* kWeight = "parameter.";  // prefix of the exact copies of trained weights

}  // namespace

at::ScalarType optimizer_type(const at::Tensor& parameter) {
  return parameter.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

AdamW::AdamW(const std::vector<OptimizedParameter>& parameters, OptimizerOptions options)
    : options_(options) {
  for (const auto& [parameter, rate_scale, weight_decay] : parameters) {
    const auto alike = [&](const Group& g) {
      return g.rate_scale == rate_scale && g.weight_decay == weight_decay;
    };
    auto group = std::ranges::find_if(groups_, alike);
    if (group == groups_.end()) group = groups_.insert(group, {rate_scale, weight_decay, {}});
    group->members.push_back(parameters_.size());
    parameters_.push_back(parameter);
    weights_.push_back(
        parameter.tensor.detach().to(optimizer_type(parameter.tensor)));  // shares storage unless it converts
    exp_avg_.push_back(at::zeros_like(weights_.back()));
    exp_avg_sq_.push_back(at::zeros_like(weights_.back()));
  }
}

void AdamW::drop_gradients() {
  for (auto& parameter : parameters_) parameter.tensor.mutable_grad() = at::Tensor();
}

void AdamW::update(const Group& group, double learning_rate, double clip) {
  std::vector<at::Tensor> tensors, grads, averages, squares, none, counts;
  for (const std::size_t i : group.members) {
    const auto& parameter = parameters_[i];
    if (!parameter.tensor.grad().defined()) continue;
    tensors.push_back(weights_[i]);
    grads.push_back(parameter.tensor.grad().to(weights_[i].scalar_type()).contiguous());
    averages.push_back(exp_avg_[i]);
    squares.push_back(exp_avg_sq_[i]);
    counts.push_back(at::full({}, static_cast<double>(steps_),
                              at::TensorOptions(at::kFloat).device(parameter.tensor.device())));
  }
  if (tensors.empty()) return;
  if (clip < 1)
    for (auto& grad : grads) grad.mul_(clip);
  at::_fused_adamw_(tensors, grads, averages, squares, none, counts, learning_rate * group.rate_scale,
                    options_.adam_beta1, options_.adam_beta2, group.weight_decay, options_.adam_epsilon,
                    /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::step(double learning_rate, double norm) {
  c10::NoGradGuard no_grad;
  ++steps_;
  const double clip = options_.max_grad_norm > 0 ? std::min(1.0, options_.max_grad_norm / (norm + 1e-6)) : 1;
  for (const Group& group : groups_) update(group, learning_rate, clip);
  publish();
  drop_gradients();
}

void AdamW::for_each_weight(const std::function<void(const std::string&, at::Tensor&)>& visit) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) visit(parameters_[i].name, weights_[i]);
}

void AdamW::publish() {
  c10::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].tensor.scalar_type() != weights_[i].scalar_type())
      parameters_[i].tensor.detach().copy_(weights_[i]);
}

void AdamW::require_finite(std::int64_t update) const {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (!at::isfinite(weights_[i]).all().item<bool>())
      core::fail_run(
          "after update {} the weight {} holds numbers that are not finite; nothing of it is saved. A "
          "smaller training.learning_rate helps most often",
          update, parameters_[i].name);
}

NamedTensors AdamW::tensors() const {
  NamedTensors result;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    result[parameters_[i].name + ".exp_avg"] = exp_avg_[i];
    result[parameters_[i].name + ".exp_avg_sq"] = exp_avg_sq_[i];
    result[kWeight + parameters_[i].name] = weights_[i];
  }
  return result;
}

void AdamW::restore(const NamedTensors& tensors, std::int64_t steps, const std::string& where) {
  const auto take = [&](const std::string& name, at::Tensor& into) {
    into.copy_(kept_tensor(tensors, name, into, where));
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    take(parameters_[i].name + ".exp_avg", exp_avg_[i]);
    take(parameters_[i].name + ".exp_avg_sq", exp_avg_sq_[i]);
    take(kWeight + parameters_[i].name, weights_[i]);
  }
  publish();
  steps_ = steps;
}

}  // namespace attune::training
