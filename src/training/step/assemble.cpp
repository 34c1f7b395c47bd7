#include "training/step/assemble.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace attune::training {
namespace {

using algorithm::Role;
using record::Candidate;
using record::GroupShape;

/// A rank for comparisons: the given rank, or the reward turned round, or the label.
double rank_of(const Candidate& said) {
  if (said.rank) return *said.rank;
  if (said.reward) return -*said.reward;
  if (said.label) return *said.label ? 0 : 1;
  return 0;
}

/// Candidate indices of a row from best to worst; equal ranks keep their order.
std::vector<std::size_t> by_rank(const data::TokenizedRow& row) {
  std::vector<std::size_t> order(row.candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return rank_of(row.candidates[a].said) < rank_of(row.candidates[b].said);
  });
  return order;
}

/// The pairs of a ranked row, as indices into its order from best to worst; ties give none.
std::vector<record::Pair> pairs_of(const data::TokenizedRow& row, const std::vector<std::size_t>& order,
                                   const std::string& kind) {
  std::vector<record::Pair> pairs;
  const auto add = [&](std::size_t a, std::size_t b) {
    if (rank_of(row.candidates[order[a]].said) < rank_of(row.candidates[order[b]].said)) pairs.push_back({a, b, 1});
  };
  if (kind == "best_worst" && order.size() >= 2) add(0, order.size() - 1);
  for (std::size_t a = 0; kind != "best_worst" && a < order.size(); ++a)
    for (std::size_t b = a + 1; b < (kind == "all" ? order.size() : std::min(a + 2, order.size())); ++b) add(a, b);
  return pairs;
}

/// What a row's candidates are for a method of this shape.
record::Grouping grouping_of(const data::TokenizedRow& row, GroupShape shape, const PairingOptions& pairing) {
  record::Grouping grouping;
  if (shape == GroupShape::kLists) return {by_rank(row), {}};
  if (shape != GroupShape::kPairs) {
    grouping.members.resize(row.candidates.size());
    std::iota(grouping.members.begin(), grouping.members.end(), std::size_t{0});
    return grouping;
  }
  const auto order = by_rank(row);
  const auto pairs = pairs_of(row, order, pairing.pairs);
  std::vector<std::size_t> places(order.size(), order.size());
  const auto place = [&](std::size_t ranked) {
    if (places[ranked] == order.size()) {
      places[ranked] = grouping.members.size();
      grouping.members.push_back(order[ranked]);
    }
    return places[ranked];
  };
  for (const auto& pair : pairs) {
    const std::size_t chosen = place(pair.chosen), rejected = place(pair.rejected);
    grouping.pairs.push_back({chosen, rejected, 1.0 / static_cast<double>(pairs.size())});
  }
  return grouping;
}

/// Adds candidates to a step.
class Assembler {
 public:
  Assembler(const model::ModelConfig& config, Step& step) : config_(config), step_(step) {}

  void add(const data::TokenizedRow& row, std::size_t index, Role role, std::int64_t group) {
    const auto& candidate = row.candidates[index];
    add_sequence(row, candidate, role, group, candidate.said.index);
    if (!candidate.old_logps.empty()) old_.emplace_back(trained_of(step_.items.back(), candidate.old_logps));
  }

  /// The row's prompt with another row's completion (KTO's estimate of the KL).
  void add_mismatched(const data::TokenizedRow& row, const data::TokenizedCandidate& other, std::int64_t group) {
    add_sequence(row, other, Role::kDerived, group, -1);
  }

  /// Sampling log-probabilities count only when every candidate has them; a teacher's own prompt likewise.
  void finish() {
    if (old_.size() == step_.items.size() && !old_.empty()) step_.known["old_logps"] = std::move(old_);
    if (step_.teacher_items.size() != step_.items.size()) step_.teacher_items.clear();
  }

 private:
  void add_sequence(const data::TokenizedRow& row, const data::TokenizedCandidate& candidate, Role role,
                    std::int64_t group, std::int64_t index) {
    Candidate said = candidate.said;
    said.group = group;
    said.role = role;
    step_.items.push_back(item_of(row.prompt, candidate, group));
    if (!row.teacher_prompt.empty()) step_.teacher_items.push_back(item_of(row.teacher_prompt, candidate, group));
    step_.candidates.push_back(std::move(said));
    step_.rows.push_back(row.index);
    step_.row_candidates.push_back(index);
  }

  data::PackItem item_of(std::span<const std::int32_t> prompt, const data::TokenizedCandidate& candidate,
                         std::int64_t group) const {
    data::PackItem item;
    item.ids.reserve(prompt.size() + candidate.completion.size());
    item.ids.assign(prompt.begin(), prompt.end());
    item.ids.insert(item.ids.end(), candidate.completion.begin(), candidate.completion.end());
    item.prompt_length = static_cast<std::int32_t>(prompt.size());
    item.mask.assign(candidate.mask.begin(), candidate.mask.end());
    item.step_ends.assign(candidate.step_ends.begin(), candidate.step_ends.end());
    item.group = group;
    item.table = config_.table_of(static_cast<std::int64_t>(item.ids.size()));
    return item;
  }

  /// Of one number for each completion token, those of trained tokens.
  static std::vector<double> trained_of(const data::PackItem& item, std::span<const double> numbers) {
    std::vector<double> trained;
    for (std::size_t k = item.prompt_length == 0 ? 1 : 0; k < numbers.size() && k < item.mask.size(); ++k)
      if (item.mask[k] != 0) trained.push_back(numbers[k]);
    return trained;
  }

  const model::ModelConfig& config_;
  Step& step_;
  std::vector<std::vector<double>> old_;
};

Role role_in(const record::Grouping& grouping, std::size_t member) {
  bool chosen = false, rejected = false;
  for (const auto& pair : grouping.pairs) {
    chosen = chosen || pair.chosen == member;
    rejected = rejected || pair.rejected == member;
  }
  return chosen == rejected ? Role::kSampled : chosen ? Role::kChosen : Role::kRejected;
}

}  // namespace

void PairingOptions::declare(core::Fields& fields) {
  fields.add("pairs", pairs, "Which pairs of a rated group are trained on.")
      .one_of({"best_worst", "all", "adjacent"});
}

Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const PairingOptions& pairing) {
  Step step;
  Assembler assembler(config, step);
  const GroupShape shape = method.shape();
  std::int64_t group = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const record::Grouping grouping = grouping_of(rows[r], shape, pairing);
    if (grouping.members.empty()) continue;
    const auto first = static_cast<std::size_t>(step.size());
    for (std::size_t member = 0; member < grouping.members.size(); ++member) {
      const std::size_t index = grouping.members[member];
      assembler.add(rows[r], index, role_in(grouping, member), group);
      if (method.derived() != algorithm::Derived::kMismatched || rows.size() < 2) continue;  // nobody to mismatch with
      const auto& previous = rows[(r + rows.size() - 1) % rows.size()].candidates;
      assembler.add_mismatched(rows[r], previous[std::min(index, previous.size() - 1)], group);
    }
    for (const auto& pair : grouping.pairs)
      step.pairs.push_back({first + pair.chosen, first + pair.rejected, pair.weight});
    ++group;
  }
  assembler.finish();
  return step;
}

}  // namespace attune::training
