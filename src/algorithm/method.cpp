#include "algorithm/method.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace attune::algorithm {

namespace {

std::string prefix_of(Source source) {
  switch (source) {
    case Source::kPolicy:
      return "";
    case Source::kReference:
      return "ref_";
    case Source::kOld:
      return "old_";
    case Source::kTeacher:
      return "teacher_";
    case Source::kReward:
      return "reward_";
    case Source::kValue:
      return "value_";
  }
  ATTUNE_ASSERT(false);
  return {};
}

}  // namespace

std::string_view to_text(Family family) {
  switch (family) {
    case Family::kPoint:
      return "point";
    case Family::kPair:
      return "pair";
    case Family::kList:
      return "list";
  }
  ATTUNE_ASSERT(false);
  return {};
}

Family Method::family() const {
  if (const auto said = info().family) return *said;
  switch (shape()) {
    case GroupShape::kDemonstrations:
    case GroupShape::kLabels:
    case GroupShape::kSteps:
      return Family::kPoint;
    case GroupShape::kPairs:
      return Family::kPair;
    case GroupShape::kGroups:
    case GroupShape::kLists:
      return Family::kList;
  }
  ATTUNE_ASSERT(false);
  return {};
}

std::string Need::key() const {
  std::string key = prefix_of(source) + signal;
  if (against == Source::kReference) return key;
  const std::string other = prefix_of(against);
  return key + "_to_" + (other.empty() ? "policy" : other.substr(0, other.size() - 1));
}

Totals& Totals::operator+=(const Totals& other) {
  candidates += other.candidates;
  groups += other.groups;
  tokens += other.tokens;
  desirable += other.desirable;
  undesirable += other.undesirable;
  weight += other.weight;
  steps += other.steps;
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
    totals.steps += static_cast<double>(candidate.step_scores.size());
    (record::is_good(candidate) ? totals.desirable : totals.undesirable) += 1;
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
  return found->second.numbers;
}

void Batch::fix(const std::string& name, Positions at, at::Tensor numbers) {
  ATTUNE_ASSERT(numbers.size(0) == rows(at));
  prepared[name] = {at, std::move(numbers)};
}

const at::Tensor& Batch::fixed(const std::string& name) const {
  const auto found = prepared.find(name);
  ATTUNE_ASSERT(found != prepared.end());
  return found->second.numbers;
}

std::int64_t Batch::rows(Positions at) const {
  if (at == Positions::kLast) return size();
  const auto& ends = at == Positions::kTokens ? offsets : step_offsets;
  return ends.empty() ? 0 : ends.back();
}

std::pair<std::int64_t, std::int64_t> Batch::rows_of(std::int64_t candidate, Positions at) const {
  if (at == Positions::kLast) return {candidate, 1};
  const auto& ends = at == Positions::kTokens ? offsets : step_offsets;
  if (ends.empty()) return {0, 0};
  const auto i = static_cast<std::size_t>(candidate);
  return {ends[i], ends[i + 1] - ends[i]};
}

namespace {

/// Which rows of a batch's tensors belong to some of its candidates.
class Selection {
 public:
  Selection(const Batch& batch, std::span<const std::int64_t> items) {
    for (const Positions at : {Positions::kTokens, Positions::kLast, Positions::kStepEnds}) {
      std::vector<std::int64_t> rows;
      core::Offsets& ends = offsets_[at] = {0};
      for (const std::int64_t item : items) {
        const auto [first, count] = batch.rows_of(item, at);
        for (std::int64_t row = first; row < first + count; ++row) rows.push_back(row);
        ends.push_back(std::ssize(rows));
      }
      rows_[at] = at::tensor(rows, at::kLong);
    }
  }
  const core::Offsets& offsets(Positions at) const { return offsets_.at(at); }
  Signals of(const Signals& signals) const {
    Signals picked;
    for (const auto& [key, signal] : signals)
      picked[key] = {signal.at, signal.numbers.index_select(0, rows_.at(signal.at))};
    return picked;
  }

 private:
  std::map<Positions, at::Tensor> rows_;
  std::map<Positions, core::Offsets> offsets_;
};

std::vector<Pair> pairs_among(const std::vector<Pair>& pairs, std::span<const std::int64_t> items) {
  std::map<std::size_t, std::size_t> places;
  for (std::size_t i = 0; i < items.size(); ++i) places[static_cast<std::size_t>(items[i])] = i;
  std::vector<Pair> among;
  for (const Pair& pair : pairs) {
    const auto chosen = places.find(pair.chosen), rejected = places.find(pair.rejected);
    if (chosen != places.end() && rejected != places.end())
      among.push_back({chosen->second, rejected->second, pair.weight});
  }
  return among;
}

}  // namespace

Batch Batch::select(std::span<const std::int64_t> items) const {
  const Selection selection(*this, items);
  Batch part;
  part.offsets = selection.offsets(Positions::kTokens);
  if (!step_offsets.empty()) part.step_offsets = selection.offsets(Positions::kStepEnds);
  for (const std::int64_t item : items) part.candidates.push_back(candidates[static_cast<std::size_t>(item)]);
  part.pairs = pairs_among(pairs, items);
  part.signals = selection.of(signals);
  part.prepared = selection.of(prepared);
  part.totals = totals;
  return part;
}

Batch Batch::slice(std::int64_t first, std::int64_t last) const {
  ATTUNE_ASSERT(0 <= first && first <= last && last <= size());
  std::vector<std::int64_t> items(static_cast<std::size_t>(last - first));
  std::iota(items.begin(), items.end(), first);
  return select(items);
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
    leaves.signals[keys.back()].numbers = leaf;
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
