#include "algorithm/method.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace attune::algorithm {

std::string Need::key() const {
  switch (source) {
    case Source::kPolicy:
      return signal;
    case Source::kReference:
      return "ref_" + signal;
    case Source::kOld:
      return "old_" + signal;
    case Source::kTeacher:
      return "teacher_" + signal;
  }
  ATTUNE_ASSERT(false);
  return {};
}

Totals& Totals::operator+=(const Totals& other) {
  candidates += other.candidates;
  groups += other.groups;
  tokens += other.tokens;
  desirable += other.desirable;
  undesirable += other.undesirable;
  weight += other.weight;
  derived += other.derived;
  return *this;
}

Totals totals_of(const core::Offsets& offsets, const std::vector<Candidate>& candidates) {
  ATTUNE_ASSERT(offsets.size() == candidates.size() + 1);
  Totals totals;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (i == 0 || candidate.group != candidates[i - 1].group) totals.groups += 1;
    if (candidate.role == Role::kDerived) {
      totals.derived += 1;
      continue;
    }
    totals.candidates += 1;
    totals.tokens += static_cast<double>(offsets[i + 1] - offsets[i]);
    totals.weight += candidate.weight;
    (candidate.label ? totals.desirable : totals.undesirable) += 1;
  }
  return totals;
}

void fold(Metrics& into, const std::string& name, const Metric& metric) {
  const auto [place, fresh] = into.try_emplace(name, metric);
  if (!fresh) place->second.add(metric);
}

const at::Tensor& Batch::signal(const std::string& key) const {
  const auto found = signals.find(key);
  if (found == signals.end()) core::fail_request("the method needs '{}', which is not there", key);
  return found->second;
}

namespace {

using Tensors = std::map<std::string, at::Tensor>;

/// Rows of per-candidate or per-token tensors; a signal of N numbers is per candidate unless every row has
/// one token, and then both readings cut the same.
Tensors sliced(const Tensors& tensors, std::int64_t first, std::int64_t last) {
  Tensors result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.slice(0, first, last);
  return result;
}

}  // namespace

Batch Batch::slice(std::int64_t first, std::int64_t last) const {
  ATTUNE_ASSERT(0 <= first && first <= last && last <= size());
  const std::int64_t begin = offsets[first], end = offsets[last];
  Batch part;
  for (std::int64_t i = first; i <= last; ++i) part.offsets.push_back(offsets[i] - begin);
  part.candidates.assign(candidates.begin() + first, candidates.begin() + last);
  part.totals = totals;
  part.prepared = sliced(prepared, first, last);
  part.prepared_tokens = sliced(prepared_tokens, begin, end);
  for (const auto& [name, tensor] : signals) {
    const bool per_token = tensor.size(0) == offsets.back();
    part.signals[name] = per_token ? tensor.slice(0, begin, end) : tensor.slice(0, first, last);
  }
  return part;
}

void Metric::add(const Metric& other) {
  switch (fold) {
    case Fold::kMean:
    case Fold::kSum:
      sum += other.sum;
      count += other.count;
      break;
    case Fold::kMin:
      sum = std::min(sum, other.sum);
      break;
    case Fold::kMax:
      sum = std::max(sum, other.sum);
      break;
  }
}

double Metric::value() const {
  if (fold != Fold::kMean) return sum;
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

Coefficients differentiate(const Method& method, const Batch& batch, const State& state) {
  Batch leaves = batch;
  std::vector<std::string> keys;
  std::vector<at::Tensor> inputs;
  for (const Need& need : method.needs()) {
    if (!need.gradient) continue;
    keys.push_back(need.key());
    at::Tensor leaf = batch.signal(keys.back()).detach().to(at::kDouble).clone().set_requires_grad(true);
    leaves.signals[keys.back()] = leaf;
    inputs.push_back(leaf);
  }
  const at::AutoGradMode recording(true);
  Loss loss = method.loss(leaves, state);
  ATTUNE_ASSERT(loss.value.dim() == 0 && loss.value.scalar_type() == at::kDouble);
  Coefficients result;
  result.loss = loss.value.item<double>();
  result.metrics = std::move(loss.metrics);
  std::vector<at::Tensor> gradients(inputs.size());
  if (loss.value.requires_grad()) {
    gradients = torch::autograd::grad({loss.value}, inputs, {}, std::nullopt, false, /*allow_unused=*/true);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    result.by_signal[keys[i]] = gradients[i].defined() ? gradients[i].neg() : at::zeros_like(inputs[i]);
  }
  return result;
}

}  // namespace attune::algorithm
