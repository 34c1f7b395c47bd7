#include "record/pairing.h"

#include <algorithm>
#include <numeric>

#include "record/derived_feedback.h"

namespace attune::record {
namespace {

/// The candidates as they are learned from. `members` are indices into `candidates`.
Grouping grouping_of(std::span<const Candidate> candidates, std::vector<std::size_t> members) {
  Grouping out;
  out.members = std::move(members);
  for (const std::size_t member : out.members) out.said.push_back(candidates[member]);
  return out;
}

std::vector<std::size_t> in_order(std::size_t count) {
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

/// Best first; equal ranks keep their order.
std::vector<std::size_t> best_first(std::span<const Candidate> candidates) {
  auto order = in_order(candidates.size());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return *candidates[a].rank < *candidates[b].rank; });
  return order;
}

void count_derived(const std::string& what, PairingCounts& counts) {
  if (!what.empty()) ++counts.derived[what];
}

/// The members of pairs best first, and the pairs in terms of them.
Grouping grouping_of_pairs(std::span<const Candidate> candidates, std::span<const std::size_t> order,
                           std::vector<Pair> pairs) {
  std::vector<bool> wins(candidates.size()), loses(candidates.size());
  for (const Pair& pair : pairs) wins[pair.chosen] = loses[pair.rejected] = true;
  std::vector<std::size_t> members, place(candidates.size());
  for (const std::size_t i : order) {
    if (!wins[i] && !loses[i]) continue;
    place[i] = members.size();
    members.push_back(i);
  }
  Grouping out = grouping_of(candidates, std::move(members));
  for (std::size_t i = 0; i < out.members.size(); ++i) {
    const std::size_t member = out.members[i];
    out.said[i].role = !loses[member] ? Role::kChosen : !wins[member] ? Role::kRejected : Role::kMember;
  }
  for (Pair& pair : pairs)
    pair = {place[pair.chosen], place[pair.rejected], 1 / static_cast<double>(pairs.size())};
  out.pairs = std::move(pairs);
  return out;
}

core::ItemError equal_completions(bool cut) {
  return {cut ? "chosen equal to rejected after truncation" : "chosen equal to rejected", ""};
}

/// Of equal completions the first stays.
std::vector<std::size_t> different_ones(std::span<const Candidate> candidates,
                                        std::span<const std::size_t> order, PairingCounts& counts) {
  std::vector<std::size_t> different;
  for (const std::size_t i : order) {
    const bool repeated = std::ranges::any_of(
        different, [&](std::size_t other) { return same_completion(candidates[other], candidates[i]); });
    if (repeated)
      ++counts.left_out["duplicates"];
    else
      different.push_back(i);
  }
  return different;
}

core::Result<Grouping> make_list(std::vector<Candidate>& candidates, PairingCounts& counts) {
  if (candidates.size() < 2) {
    ++counts.left_out["singles"];
    return core::ItemError{"no list of completions", ""};
  }
  std::string derived;
  if (const auto problem = need_ranks(candidates, derived)) return *problem;
  const auto tie = [&](const std::vector<std::size_t>& order) {
    return *candidates[order.front()].rank == *candidates[order.back()].rank;
  };
  auto order = best_first(candidates);
  const bool tied = tie(order);
  if (!tied) order = different_ones(candidates, order, counts);
  if (order.size() < 2)
    return equal_completions(std::ranges::any_of(candidates, [](const auto& c) { return c.truncated; }));
  if (tied || tie(order)) {
    ++counts.left_out["ties"];
    return core::ItemError{"all candidates tie", ""};
  }
  count_derived(derived, counts);
  return grouping_of(candidates, std::move(order));
}

core::Result<Grouping> make_group(std::vector<Candidate>& candidates, PairingCounts& counts) {
  std::string derived;
  if (const auto problem = need_rewards(candidates, derived)) return *problem;
  count_derived(derived, counts);
  const bool tied = std::ranges::all_of(
      candidates, [&](const Candidate& other) { return *other.reward == *candidates.front().reward; });
  if (candidates.size() == 1)
    ++counts.left_out["singles"];
  else if (tied)
    ++counts.left_out["ties"];
  return grouping_of(candidates, in_order(candidates.size()));
}

/// true, false, a probability, or the −1 of three-valued labels.
bool says_how_right(double score) { return (score >= 0 && score <= 1) || score == -1; }

core::Result<Grouping> make_steps(std::vector<Candidate>& candidates, PairingCounts& counts) {
  std::vector<std::size_t> members;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    for (const double score : candidates[i].step_scores)
      if (!says_how_right(score))
        return core::ItemError{"a step's score is no label",
                               fmt::format("{}: true, false, 0 to 1, or -1 is", score)};
    if (candidates[i].step_scores.empty())
      ++counts.left_out["without scored steps"];
    else
      members.push_back(i);
  }
  if (members.empty()) return core::ItemError{"no scored steps", "\"completions\" with \"labels\" give them"};
  return grouping_of(candidates, std::move(members));
}

}  // namespace

void PairList::add(std::size_t better, std::size_t worse) {
  const Candidate &a = candidates_[better], &b = candidates_[worse];
  if (*a.rank == *b.rank) {
    tied_ = true;
    return leave_out("ties");
  }
  if (same_completion(a, b)) {
    equal_ = true;
    cut_ = cut_ || a.truncated || b.truncated;
    return leave_out("duplicates");
  }
  pairs_.push_back({better, worse});
}

core::ItemError PairList::why_empty() const {
  if (equal_) return equal_completions(cut_);
  if (tied_) return {"all candidates tie", ""};
  return {"the pairing makes no pair of its completions", ""};
}

bool Pairing::makes(GroupShape shape) const { return std::ranges::count(shapes(), shape) > 0; }

void Pairing::compare(const Ranking&, const PairingKey&, PairList&) const {
  ATTUNE_ASSERT(!makes(GroupShape::kPairs));
}

std::optional<core::ItemError> Pairing::label(std::span<Candidate>, PairingCounts&) const {
  ATTUNE_ASSERT(!makes(GroupShape::kLabels));
  return {};
}

core::Result<std::vector<std::size_t>> Pairing::accept(std::span<Candidate> candidates,
                                                       PairingCounts& counts) const {
  if (const auto problem = label(candidates, counts)) return *problem;
  auto accepted = in_order(candidates.size());
  std::erase_if(accepted, [&](std::size_t i) { return !*candidates[i].label; });
  return accepted;
}

core::Result<Grouping> Pairing::make_pairs(std::vector<Candidate>& candidates, const PairingKey& key,
                                           PairingCounts& counts) const {
  if (candidates.size() < 2) {
    ++counts.left_out["singles"];
    return core::ItemError{"no pair of completions", ""};
  }
  std::string derived;
  if (const auto problem = need_ranks(candidates, derived)) return *problem;
  const Ranking ranking{candidates, best_first(candidates)};
  PairList list(candidates, counts);
  compare(ranking, key, list);
  if (list.pairs().empty()) return list.why_empty();
  count_derived(derived, counts);
  return grouping_of_pairs(candidates, ranking.order, std::move(list.pairs()));
}

core::Result<Grouping> Pairing::make_labels(std::vector<Candidate>& candidates, PairingCounts& counts) const {
  if (const auto problem = label(candidates, counts)) return *problem;
  auto members = in_order(candidates.size());
  std::erase_if(members, [&](std::size_t i) {
    const bool contradicted = std::ranges::any_of(candidates, [&](const Candidate& other) {
      return *other.label != *candidates[i].label && same_completion(other, candidates[i]);
    });
    if (contradicted) ++counts.left_out["duplicates"];
    return contradicted;
  });
  if (members.empty()) return equal_completions(false);
  return grouping_of(candidates, std::move(members));
}

core::Result<Grouping> Pairing::make_demonstrations(std::vector<Candidate>& candidates,
                                                    PairingCounts& counts) const {
  auto accepted = accept(candidates, counts);
  if (!accepted.ok()) return accepted.error();
  const auto wrong =
      std::erase_if(accepted.value(), [&](std::size_t i) { return right_steps(candidates[i]) == 0; });
  auto members = different_ones(candidates, accepted.value(), counts);
  if (members.empty())
    return core::ItemError{wrong > 0 ? "the first step is wrong" : "no completion is accepted", ""};
  return grouping_of(candidates, std::move(members));
}

core::Result<Grouping> Pairing::group(std::span<const Candidate> given, GroupShape shape,
                                      const PairingKey& key, PairingCounts& counts) const {
  ATTUNE_ASSERT(makes(shape));
  if (given.empty()) return core::ItemError{"no completion", ""};
  std::vector<Candidate> candidates(given.begin(), given.end());
  auto out = shape == GroupShape::kPairs            ? make_pairs(candidates, key, counts)
             : shape == GroupShape::kLabels         ? make_labels(candidates, counts)
             : shape == GroupShape::kDemonstrations ? make_demonstrations(candidates, counts)
             : shape == GroupShape::kLists          ? make_list(candidates, counts)
             : shape == GroupShape::kSteps          ? make_steps(candidates, counts)
                                                    : make_group(candidates, counts);
  if (out.ok())
    for (Candidate& said : out.value().said) said = feedback_of(said);
  return out;
}

}  // namespace attune::record
