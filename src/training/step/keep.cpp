#include "training/step/keep.h"

#include <map>
#include <vector>

namespace attune::training {
namespace {

/// Of a list over a step's candidates the numbers of those that remain; lists that are absent stay so.
template <class T>
void keep_of(std::vector<T>& list, std::span<const std::int64_t> kept) {
  if (list.empty()) return;
  std::vector<T> rest;
  for (const std::int64_t i : kept) rest.push_back(std::move(list[static_cast<std::size_t>(i)]));
  list = std::move(rest);
}

}  // namespace

void keep_candidates(Step& step, std::span<const std::int64_t> kept) {
  std::vector<bool> stays(step.items.size());
  for (const std::int64_t i : kept) stays[static_cast<std::size_t>(i)] = true;
  if (!step.pairs.empty()) {
    std::erase_if(step.pairs, [&](const auto& pair) { return !stays[pair.chosen] || !stays[pair.rejected]; });
    stays.assign(step.items.size(), false);
    for (const auto& pair : step.pairs) stays[pair.chosen] = stays[pair.rejected] = true;
  }
  std::map<std::int64_t, double> comparisons;  // by group
  for (const auto& pair : step.pairs) ++comparisons[step.candidates[pair.chosen].group];
  std::vector<std::int64_t> rest;
  std::vector<std::size_t> place(step.items.size());
  for (std::size_t i = 0; i < step.items.size(); ++i) {
    place[i] = rest.size();
    if (stays[i]) rest.push_back(static_cast<std::int64_t>(i));
  }
  for (auto& pair : step.pairs)
    pair = {place[pair.chosen], place[pair.rejected], 1 / comparisons.at(step.candidates[pair.chosen].group)};
  keep_of(step.items, rest);
  keep_of(step.candidates, rest);
  keep_of(step.teacher_items, rest);
  keep_of(step.reference_hidden, rest);
  keep_of(step.rows, rest);
  keep_of(step.row_candidates, rest);
  for (auto& [key, numbers] : step.known) keep_of(numbers, rest);
}

}  // namespace attune::training
