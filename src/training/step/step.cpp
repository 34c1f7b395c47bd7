#include "training/step/step.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/group_row.h"

namespace attune::training {
namespace {

using algorithm::Role;

algorithm::Candidate feedback_of(const record::Candidate& said, Role role, std::int64_t group) {
  algorithm::Candidate feedback;
  feedback.group = group;
  feedback.role = role;
  feedback.rank = said.rank.value_or(0);
  feedback.label = said.label.value_or(feedback.rank == 0);
  feedback.reward = said.reward.value_or(std::nan(""));
  feedback.weight = said.weight;
  feedback.margin = said.margin.value_or(0);
  feedback.step_scores.assign(said.step_scores.begin(), said.step_scores.end());
  feedback.truncated = said.truncated;
  return feedback;
}

/// Adds candidates to a step.
class Assembler {
 public:
  Assembler(const model::ModelConfig& config, Step& step) : config_(config), step_(step) {}

  void add(const data::TokenizedRow& row, std::size_t index, const record::Candidate& said, Role role,
           std::int64_t group) {
    const auto& candidate = row.candidates[index];
    add_sequence(row, candidate, feedback_of(said, role, group), said.index);
    if (!candidate.old_logps.empty())
      old_.emplace_back(candidate.old_logps.begin(), candidate.old_logps.end());
  }

  /// The row's prompt with another row's completion (KTO's estimate of the KL).
  void add_mismatched(const data::TokenizedRow& row, const data::TokenizedCandidate& other,
                      std::int64_t group) {
    add_sequence(row, other, feedback_of(other.said, Role::kDerived, group), -1);
  }

  /// Sampling log-probabilities count only when every candidate has them.
  void finish() {
    if (old_.size() == step_.items.size() && !old_.empty()) step_.known["old_logps"] = std::move(old_);
  }

 private:
  void add_sequence(const data::TokenizedRow& row, const data::TokenizedCandidate& candidate,
                    algorithm::Candidate feedback, std::int64_t index) {
    data::PackItem item;
    item.ids.reserve(row.prompt.size() + candidate.completion.size());
    item.ids.assign(row.prompt.begin(), row.prompt.end());
    item.ids.insert(item.ids.end(), candidate.completion.begin(), candidate.completion.end());
    item.prompt_length = static_cast<std::int32_t>(row.prompt.size());
    item.mask.assign(candidate.mask.begin(), candidate.mask.end());
    item.group = feedback.group;
    item.table = config_.table_of(static_cast<std::int64_t>(item.ids.size()));
    item.candidate = step_.size();
    step_.items.push_back(std::move(item));
    step_.candidates.push_back(std::move(feedback));
    step_.rows.push_back(row.index);
    step_.row_candidates.push_back(index);
  }

  const model::ModelConfig& config_;
  Step& step_;
  std::vector<std::vector<double>> old_;
};

}  // namespace

std::int64_t Step::tokens() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (candidates[i].role != Role::kDerived) total += std::ssize(items[i].ids);
  return total;
}

core::Offsets Step::offsets() const {
  core::Offsets offsets = {0};
  for (const auto& item : items) {
    auto trained = std::count(item.mask.begin(), item.mask.end(), std::uint8_t{1});
    if (item.prompt_length == 0 && !item.mask.empty() && item.mask[0] != 0) --trained;
    offsets.push_back(offsets.back() + trained);
  }
  return offsets;
}

algorithm::Totals Step::totals() const {
  algorithm::Totals totals;
  const auto ends = offsets();
  std::int64_t last_group = -1;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& candidate = candidates[i];
    if (candidate.role == Role::kDerived) {
      totals.derived += 1;
      continue;
    }
    totals.candidates += 1;
    totals.weight += candidate.weight;
    totals.tokens += static_cast<double>(ends[i + 1] - ends[i]);
    (candidate.label ? totals.desirable : totals.undesirable) += 1;
    if (candidate.group != last_group) totals.groups += 1;
    last_group = candidate.group;
  }
  return totals;
}

void append_text(Step& step, std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion,
                 std::int64_t group) {
  data::PackItem item;
  item.ids.assign(prompt.begin(), prompt.end());
  item.ids.insert(item.ids.end(), completion.begin(), completion.end());
  item.prompt_length = static_cast<std::int32_t>(prompt.size());
  item.mask.assign(completion.size(), 1);
  item.group = group;
  item.candidate = step.size();
  step.items.push_back(std::move(item));
  step.candidates.emplace_back();
}

record::GroupShape shape_of(algorithm::Feedback feedback) {
  switch (feedback) {
    case algorithm::Feedback::kDemonstrations:
      return record::GroupShape::kDemonstrations;
    case algorithm::Feedback::kPairs:
      return record::GroupShape::kPairs;
    case algorithm::Feedback::kLabels:
      return record::GroupShape::kLabels;
    case algorithm::Feedback::kGroups:
      return record::GroupShape::kGroups;
    case algorithm::Feedback::kLists:
      return record::GroupShape::kLists;
  }
  ATTUNE_ASSERT(false);
  return {};
}

Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const data::RowUse& use, record::PairingKey key) {
  Step step;
  Assembler assembler(config, step);
  std::int64_t group = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto& row = rows[r];
    key.record = static_cast<std::uint64_t>(row.index);
    const record::Grouping grouping = data::group_row(row, use, key);
    for (const record::Pair& pair : grouping.pairs) {
      assembler.add(row, grouping.members[pair.chosen], grouping.said[pair.chosen], Role::kChosen, group);
      assembler.add(row, grouping.members[pair.rejected], grouping.said[pair.rejected], Role::kRejected, group++);
    }
    if (use.learns(record::GroupShape::kPairs)) continue;
    for (std::size_t i = 0; i < grouping.members.size(); ++i) {
      assembler.add(row, grouping.members[i], grouping.said[i], Role::kSampled, group);
      if (method.derived() == algorithm::Derived::kMismatched) {
        const auto& previous = rows[(r + rows.size() - 1) % rows.size()].candidates;
        assembler.add_mismatched(row, previous[std::min(i, previous.size() - 1)], group);
      }
    }
    ++group;
  }
  assembler.finish();
  return step;
}

}  // namespace attune::training
