// What a method asks of feedback beyond the shape in which it learns from it, said before training: whoever reads
// rows looks at it, so that a run does not find out by and by.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "record/candidate.h"
#include "record/group_shape.h"

namespace attune::record {

/// What happens to a row that lacks what is asked for.
enum class Lacking {
  kLeavesOut,       ///< it cannot be learned from
  kTeachesNothing,  ///< it is taken, and its loss pushes nothing
};

/// One thing that is asked of every row.
struct RowNeed {
  std::string name;  ///< with all that it depends on ("scores: helpful, safe"): rows are cached under it
  Lacking lacking = Lacking::kLeavesOut;
  /// Why candidates, as their pairing understood them, lack it; the reason is the same for all rows of a kind.
  std::function<std::optional<core::ItemError>(std::span<const Candidate>, std::span<const Pair>)> problem;
};

/// What has to differ somewhere in the data, for them to say anything.
enum class Contrast {
  kNothing,
  kLabels,
  kRewards,
  kSteps,    ///< the scores of reasoning steps
  kSources,  ///< who wrote the preferred answers
};

struct FeedbackNeeds {
  std::vector<RowNeed> rows;
  Contrast contrast = Contrast::kNothing;
};

}  // namespace attune::record
