#include "training/hook/weight_average.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace attune::training {
namespace {

constexpr std::string_view kAverage = "average.";  // prefix in checkpoints

}  // namespace

void WeightAverage::after_update(AdamW& optimizer, std::int64_t /*update*/) {
  c10::NoGradGuard no_grad;
  optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
    const auto [place, fresh] = averages_.try_emplace(name);
    if (fresh)
      place->second = weight.clone();
    else
      place->second.lerp_(weight, 1 - decay_);
  });
}

void WeightAverage::exchange(AdamW& optimizer) {
  if (averages_.empty()) return;
  c10::NoGradGuard no_grad;
  optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
    at::Tensor& average = averages_.at(name);
    const at::Tensor kept = weight.clone();
    weight.copy_(average);
    average.copy_(kept);
  });
  optimizer.publish();
}

NamedTensors WeightAverage::tensors() const {
  NamedTensors named;
  for (const auto& [name, average] : averages_) named[std::string(kAverage) + name] = average;
  return named;
}

void WeightAverage::restore(const NamedTensors& tensors, AdamW& optimizer, const std::string& where) {
  c10::NoGradGuard no_grad;
  optimizer.for_each_weight([&](const std::string& name, at::Tensor& weight) {
    averages_[name] = at::empty_like(weight);
    averages_[name].copy_(kept_tensor(tensors, std::string(kAverage) + name, weight, where));
  });
}

}  // namespace attune::training
