#include "training/step/step.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "generation/scorer.h"

namespace attune::training {
namespace {

using algorithm::Positions;

core::Offsets offsets_at(const std::vector<data::PackItem>& items, Positions at) {
  core::Offsets offsets = {0};
  for (const auto& item : items) offsets.push_back(offsets.back() + generation::rows_of(item, at));
  return offsets;
}

at::Tensor flat(const std::string& key, const std::vector<std::vector<double>>& rows, std::int64_t tokens) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  if (std::ssize(all) != tokens)
    core::fail_request("{}: {} numbers for {} trained tokens; records must carry one for each", key, all.size(),
                       tokens);
  return at::tensor(all, at::kDouble);
}

}  // namespace

std::int64_t Step::tokens() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (candidates[i].role != algorithm::Role::kDerived) total += std::ssize(items[i].ids);
  return total;
}

core::Offsets Step::offsets() const { return offsets_at(items, Positions::kTokens); }

core::Offsets Step::step_offsets() const { return offsets_at(items, Positions::kStepEnds); }

algorithm::Batch Step::batch() const {
  algorithm::Batch batch;
  batch.offsets = offsets();
  batch.step_offsets = step_offsets();
  batch.candidates = candidates;
  batch.pairs = pairs;
  batch.totals = algorithm::totals_of(batch.offsets, candidates);
  for (const auto& [key, lists] : known)
    batch.signals[key] = {Positions::kTokens, flat(key, lists, batch.offsets.back())};
  return batch;
}

std::vector<std::vector<std::int64_t>> group_parts(const Step& step, std::int64_t parts) {
  std::vector<std::int64_t> begins;  // of groups
  for (std::int64_t i = 0; i < step.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (i == 0 || step.candidates[at].group != step.candidates[at - 1].group) begins.push_back(i);
  }
  const auto groups = std::ssize(begins);
  const std::int64_t count = std::max<std::int64_t>(1, std::min(parts, groups));
  begins.push_back(step.size());
  std::vector<std::vector<std::int64_t>> result(static_cast<std::size_t>(count));
  for (std::int64_t part = 0; part < count; ++part) {
    const auto from = begins[static_cast<std::size_t>(part * groups / count)];
    const auto to = begins[static_cast<std::size_t>((part + 1) * groups / count)];
    for (std::int64_t i = from; i < to; ++i) result[static_cast<std::size_t>(part)].push_back(i);
  }
  return result;
}

}  // namespace attune::training
