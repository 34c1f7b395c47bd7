#include "training/step/step.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace attune::training {
namespace {

using algorithm::Feedback;
using algorithm::Role;

/// A rank for comparisons: the given rank, or the reward turned round, or the label.
double rank_of(const data::TokenizedCandidate& candidate) {
  if (candidate.said.rank) return *candidate.said.rank;
  if (candidate.said.reward) return -*candidate.said.reward;
  if (candidate.said.label) return *candidate.said.label ? 0 : 1;
  return 0;
}

algorithm::Candidate feedback_of(const data::TokenizedCandidate& candidate, Role role, std::int64_t group) {
  algorithm::Candidate feedback;
  feedback.group = group;
  feedback.role = role;
  feedback.rank = rank_of(candidate);
  feedback.label = candidate.said.label.value_or(feedback.rank == 0);
  feedback.reward = candidate.said.reward.value_or(std::nan(""));
  feedback.weight = candidate.said.weight;
  feedback.margin = candidate.said.margin.value_or(0);
  feedback.step_scores.assign(candidate.said.step_scores.begin(), candidate.said.step_scores.end());
  feedback.truncated = candidate.said.truncated;
  return feedback;
}

/// Adds candidates to a step.
class Assembler {
 public:
  Assembler(const model::ModelConfig& config, Step& step) : config_(config), step_(step) {}

  void add(const data::TokenizedRow& row, std::size_t index, Role role, std::int64_t group) {
    const auto& candidate = row.candidates[index];
    add_sequence(row, candidate, feedback_of(candidate, role, group), candidate.said.index);
    if (!candidate.old_logps.empty())
      old_.emplace_back(candidate.old_logps.begin(), candidate.old_logps.end());
  }

  /// The row's prompt with another row's completion (KTO's estimate of the KL).
  void add_mismatched(const data::TokenizedRow& row, const data::TokenizedCandidate& other,
                      std::int64_t group) {
    add_sequence(row, other, feedback_of(other, Role::kDerived, group), -1);
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

/// Candidate indices of a row from best to worst; equal ranks keep their order.
std::vector<std::size_t> by_rank(const data::TokenizedRow& row) {
  std::vector<std::size_t> order(row.candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return rank_of(row.candidates[a]) < rank_of(row.candidates[b]);
  });
  return order;
}

/// The pairs (better, worse) of a ranked row; ties give none.
std::vector<std::pair<std::size_t, std::size_t>> pairs_of(const data::TokenizedRow& row,
                                                          const std::string& kind) {
  const auto order = by_rank(row);
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  const auto add = [&](std::size_t a, std::size_t b) {
    if (rank_of(row.candidates[order[a]]) < rank_of(row.candidates[order[b]]))
      pairs.emplace_back(order[a], order[b]);
  };
  if (kind == "best_worst" && order.size() >= 2) add(0, order.size() - 1);
  for (std::size_t a = 0; kind != "best_worst" && a < order.size(); ++a)
    for (std::size_t b = a + 1; b < (kind == "all" ? order.size() : std::min(a + 2, order.size())); ++b)
      add(a, b);
  return pairs;
}

}  // namespace

void PairingOptions::declare(core::Fields& fields) {
  fields.add("pairs", pairs, "Which pairs of a rated group are trained on.")
      .one_of({"best_worst", "all", "adjacent"});
}

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

Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const PairingOptions& pairing) {
  Step step;
  Assembler assembler(config, step);
  const Feedback feedback = method.feedback();
  std::int64_t group = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto& row = rows[r];
    if (feedback == Feedback::kPairs) {
      for (const auto& [better, worse] : pairs_of(row, pairing.pairs)) {
        assembler.add(row, better, Role::kChosen, group);
        assembler.add(row, worse, Role::kRejected, group++);
      }
      continue;
    }
    const auto order = feedback == Feedback::kLists ? by_rank(row) : std::vector<std::size_t>();
    for (std::size_t i = 0; i < row.candidates.size(); ++i) {
      const std::size_t index = order.empty() ? i : order[i];
      assembler.add(row, index, Role::kSampled, group);
      if (method.derived() == algorithm::Derived::kMismatched) {
        const auto& previous = rows[(r + rows.size() - 1) % rows.size()].candidates;
        assembler.add_mismatched(row, previous[std::min(index, previous.size() - 1)], group);
      }
    }
    ++group;
  }
  assembler.finish();
  return step;
}

}  // namespace attune::training
