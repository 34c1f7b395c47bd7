// The shapes in which methods learn from rated candidates of one prompt.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "record/candidate.h"

namespace attune::record {

enum class GroupShape {
  kDemonstrations,  ///< every candidate is accepted: to be imitated
  kPairs,           ///< pairs of which one is preferred
  kLabels,          ///< candidates, each good or bad
  kGroups,          ///< candidates with rewards
  kSteps,           ///< candidates whose reasoning steps have scores
  kLists,           ///< candidates in an order of preference, best first
};

/// "demonstrations", "pairs", "labels", "groups", "steps", "lists".
std::string_view to_text(GroupShape shape);

/// One comparison within a group.
struct Pair {
  std::size_t chosen = 0, rejected = 0;  ///< indices into the group's candidates, or into a batch's
  double weight = 1;                     ///< its share of its group's loss: 1 / comparisons of the group
};

/// What a pairing makes of the rated candidates of one prompt: each candidate that is learned from stands
/// once, in the order in which it is computed, whatever pairs are read off it.
struct Grouping {
  std::vector<std::size_t> members;  ///< indices into the record's candidates
  std::vector<Pair> pairs;           ///< kPairs only: indices into `members`
  /// [members] the feedback as the pairing understood it: the rank, label or reward that the shape asks for
  /// is there, also where it follows from other feedback; the role is set; `index` is the place in the
  /// record.
  std::vector<Candidate> said;
};

}  // namespace attune::record
