#include "training/step/assemble.h"

#include <algorithm>

#include "core/error.h"
#include "data/group_row.h"
#include "data/tokens/trained.h"
#include "training/step/grouped_rows.h"

namespace attune::training {
namespace {

using algorithm::Role;
using record::Candidate;

/// Adds candidates to a step.
class Assembler {
 public:
  Assembler(const model::ModelConfig& config, Step& step) : config_(config), step_(step) {}

  void add(const data::TokenizedRow& row, std::size_t index, const Candidate& said, std::int64_t group) {
    const auto& candidate = row.candidates[index];
    add_sequence(row, candidate, said, group, said.index);
    if (!candidate.old_logps.empty()) old_.emplace_back(trained_of(step_.items.back(), candidate.old_logps));
  }

  /// The row's prompt with another row's completion (KTO's estimate of the KL).
  void add_mismatched(const data::TokenizedRow& row, const data::TokenizedCandidate& other,
                      std::int64_t group) {
    Candidate said = other.said;
    said.role = Role::kDerived;
    add_sequence(row, other, std::move(said), group, -1);
  }

  /// Sampling log-probabilities count only when every candidate has them; a teacher's own prompt likewise.
  void finish() {
    if (old_.size() == step_.items.size() && !old_.empty()) step_.known["old_logps"] = std::move(old_);
    if (step_.teacher_items.size() != step_.items.size()) step_.teacher_items.clear();
  }

 private:
  void add_sequence(const data::TokenizedRow& row, const data::TokenizedCandidate& candidate, Candidate said,
                    std::int64_t group, std::int64_t index) {
    said.group = group;
    step_.items.push_back(item_of(row.prompt, candidate, group));
    if (!row.teacher_prompt.empty())
      step_.teacher_items.push_back(item_of(row.teacher_prompt, candidate, group));
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
    item.scored = static_cast<std::int32_t>(config_.scored_token(item.ids));
    return item;
  }

  /// Of one number for each completion token, those of trained tokens.
  static std::vector<double> trained_of(const data::PackItem& item, std::span<const double> numbers) {
    std::vector<double> trained;
    const auto prompt = static_cast<std::size_t>(item.prompt_length);
    for (std::size_t k = data::first_predicted(prompt); k < numbers.size() && k < item.mask.size(); ++k)
      if (item.mask[k] != 0) trained.push_back(numbers[k]);
    return trained;
  }

  const model::ModelConfig& config_;
  Step& step_;
  std::vector<std::vector<double>> old_;
};

}  // namespace

Step assemble_groups(std::span<const data::TokenizedRow> rows, std::span<const record::Grouping> groupings,
                     const algorithm::Method& method, const model::ModelConfig& config) {
  Step step;
  Assembler assembler(config, step);
  std::int64_t group = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const record::Grouping& grouping = groupings[r];
    if (grouping.members.empty()) continue;
    const auto first = static_cast<std::size_t>(step.size()),
               stride = method.derived() == algorithm::Derived::kNone ? std::size_t{1} : std::size_t{2};
    ATTUNE_ASSERT(stride == 1 || grouping.pairs.empty());
    for (std::size_t member = 0; member < grouping.members.size(); ++member) {
      assembler.add(rows[r], grouping.members[member], grouping.said[member], group);
      if (stride == 1 || rows.size() < 2) continue;  // with one row there is nobody to mismatch with
      const std::size_t before = (r + rows.size() - 1) % rows.size();
      const auto& others = groupings[before].members;
      assembler.add_mismatched(rows[r], rows[before].candidates[others[std::min(member, others.size() - 1)]],
                               group);
    }
    for (const auto& pair : grouping.pairs)
      step.pairs.push_back({first + pair.chosen, first + pair.rejected, pair.weight});
    ++group;
  }
  assembler.finish();
  return step;
}

Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const data::RowUse& use, record::PairingKey key) {
  std::vector<record::Grouping> groupings;
  for (const data::TokenizedRow& row : rows) {
    key.record = static_cast<std::uint64_t>(row.index);
    groupings.push_back(data::group_row(row, use, key));
  }
  return assemble_groups(rows, groupings, method, config);
}

}  // namespace attune::training
