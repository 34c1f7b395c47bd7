// What one update, or several, learn from: candidates with their tokens and what is said of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithm/method.h"
#include "data/packing.h"

namespace attune::model {
struct GivenRows;
}

namespace attune::training {

/// Parallel lists over the N candidates of a step; candidates of one group are neighbours.
struct Step {
  std::uint64_t number = 0;  ///< 1, 2, … keys random numbers
  std::vector<data::PackItem> items;
  std::vector<algorithm::Candidate> candidates;
  std::vector<algorithm::Pair> pairs;  ///< GroupShape::kPairs: which candidates are compared
  /// The items as a teacher sees them, behind its own prompt; empty: as they are.
  std::vector<data::PackItem> teacher_items;
  /// Signals known beforehand, per candidate one number per trained token: "old_logps" of sampled candidates,
  /// "ref_logps" from a cache. A key is present for all candidates or absent.
  std::map<std::string, std::vector<std::vector<double>>> known;
  /// What content keys of the items (and the teacher's) stand for, as each model that reads them takes it:
  /// images, soft prompts; gradients of the policy's passes reach the vectors. Null: tokens are ids alone.
  std::shared_ptr<const model::GivenRows> given{};
  /// The reference's hidden states at the trained tokens, [tokens, D] per candidate, from a cache; empty:
  /// computed.
  std::vector<at::Tensor> reference_hidden;
  std::vector<std::int64_t> rows;            ///< dataset row of every candidate (messages, reference cache)
  std::vector<std::int64_t> row_candidates;  ///< its place among the record's candidates; -1 for derived ones

  std::int64_t size() const { return static_cast<std::int64_t>(items.size()); }
  /// Every token of every sequence, a prompt once for each of its candidates (what TRL calls num_tokens; it
  /// leaves out KTO's mismatched completions).
  std::int64_t tokens() const;
  /// Offsets of trained tokens per candidate; the first token of a sequence without prompt is not trained.
  core::Offsets offsets() const;
  /// Offsets of reasoning steps per candidate.
  core::Offsets step_offsets() const;
  algorithm::Totals totals() const { return algorithm::totals_of(offsets(), candidates); }
  /// The step as its method sees it, before any signal is read. @throws Error{kRequest}: known numbers that
  /// do not fit
  algorithm::Batch batch() const;
};

/// What each of `parts` processes computes of some items (whole groups, in order): a run of them [first,
/// last), of about as many groups each. Some are empty where there are fewer groups.
std::vector<std::pair<std::size_t, std::size_t>> group_shares(const Step& step,
                                                              std::span<const std::int64_t> items,
                                                              std::int64_t parts);

/// The groups of candidates, cut into `parts` runs of about as many groups each (fewer where there are fewer
/// groups).
std::vector<std::vector<std::int64_t>> group_parts(const Step& step, std::int64_t parts);

}  // namespace attune::training
