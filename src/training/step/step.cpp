#include "training/step/step.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

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
    core::fail_request("{}: {} numbers for {} trained tokens; records must carry one for each", key,
                       all.size(), tokens);
  return at::tensor(all, at::kDouble);
}

std::int64_t groups_in(const Step& step) {
  std::int64_t groups = 0;
  for (std::size_t i = 0; i < step.candidates.size(); ++i)
    if (i == 0 || step.candidates[i].group != step.candidates[i - 1].group) ++groups;
  return groups;
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

std::vector<std::pair<std::size_t, std::size_t>> group_shares(const Step& step,
                                                              std::span<const std::int64_t> items,
                                                              std::int64_t parts) {
  const auto group_of = [&](std::size_t i) {
    return step.candidates[static_cast<std::size_t>(items[i])].group;
  };
  std::vector<std::size_t> begins;  // of groups
  for (std::size_t i = 0; i < items.size(); ++i)
    if (i == 0 || group_of(i) != group_of(i - 1)) begins.push_back(i);
  const auto groups = std::ssize(begins);
  begins.push_back(items.size());
  std::vector<std::pair<std::size_t, std::size_t>> shares;
  for (std::int64_t part = 0; part < parts; ++part)
    shares.emplace_back(begins[static_cast<std::size_t>(part * groups / parts)],
                        begins[static_cast<std::size_t>((part + 1) * groups / parts)]);
  return shares;
}

std::vector<std::vector<std::int64_t>> group_parts(const Step& step, std::int64_t parts) {
  std::vector<std::int64_t> all(step.items.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  std::vector<std::vector<std::int64_t>> result;
  for (const auto& [first, last] :
       group_shares(step, all, std::max<std::int64_t>(1, std::min(parts, groups_in(step)))))
    result.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(first),
                        all.begin() + static_cast<std::ptrdiff_t>(last));
  return result;
}

}  // namespace attune::training
