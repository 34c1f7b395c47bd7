#include "training/optimizer/gradient_norms.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "training/optimizer/optimizer.h"

namespace attune::training {
namespace {

std::vector<std::string> parts_of(std::string_view name) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    parts.emplace_back(name.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool is_number(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string layer_of(const std::string& parameter) {
  const auto parts = parts_of(parameter);
  for (std::size_t i = 1; i < parts.size(); ++i)
    if (is_number(parts[i])) return parts[i - 1] + "." + parts[i];
  return parts.size() < 2 ? parameter : parts[parts.size() - 2];  // …embed_tokens.weight
}

GradientNorms gradient_norms(std::span<const model::Parameter> parameters) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  std::vector<std::string> layers;
  for (const auto& parameter : parameters) {
    const at::Tensor& grad = parameter.tensor.grad();
    if (!grad.defined()) continue;
    norms.push_back(at::norm(grad.to(optimizer_type(grad)), 2));
    layers.push_back(layer_of(parameter.name));
  }
  GradientNorms result;
  if (norms.empty()) return result;
  const at::Tensor all = at::stack(norms);
  result.total = at::norm(all, 2).item<double>();  // as clip_grad_norm_: the norm of the tensors' norms
  const at::Tensor squares = all.to(at::kCPU, at::kDouble).square().contiguous();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto known = std::ranges::find(result.by_layer, layers[i], &std::pair<std::string, double>::first);
    auto& sum = known == result.by_layer.end() ? result.by_layer.emplace_back(layers[i], 0) : *known;
    sum.second += squares.const_data_ptr<double>()[i];
  }
  for (auto& [layer, sum] : result.by_layer) sum = std::sqrt(sum);
  return result;
}

}  // namespace attune::training
