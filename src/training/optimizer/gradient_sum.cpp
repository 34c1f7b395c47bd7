#include "training/optimizer/gradient_sum.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "training/optimizer/optimizer.h"

namespace attune::training {

void sum_gradients(std::span<const model::Parameter> parameters, const Processes& processes) {
  if (processes.alone() || parameters.empty()) return;
  const c10::NoGradGuard no_gradients;
  at::Tensor holders = at::zeros({std::ssize(parameters)}, at::kDouble);
  double* const count = holders.mutable_data_ptr<double>();
  for (std::size_t i = 0; i < parameters.size(); ++i)
    count[i] = parameters[i].tensor.grad().defined() ? 1 : 0;
  processes.sum(holders);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (count[i] == 0) continue;
    at::Tensor tensor = parameters[i].tensor;  // the same one: a handle that may be written through
    at::Tensor& grad = tensor.mutable_grad();
    if (!grad.defined()) grad = at::zeros_like(tensor);
    at::Tensor wide = grad.to(optimizer_type(grad));
    processes.sum(wide);
    if (!wide.is_same(grad)) grad.copy_(wide);
  }
}

}  // namespace attune::training
