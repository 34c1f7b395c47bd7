// By how much the chosen answer of a pair was rated better.
#pragma once

#include <string>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/row_needs.h"

namespace attune::algorithm {

/// [P]: r₊ − r₋, or the pair's margin where its answers have no rewards; of exchanged pairs the negative.
/// @throws Error{kRequest} saying how many pairs have neither, or a difference that is not positive, and
/// which
///   the first is. `method` asks.
at::Tensor reward_gaps(const PairIndex& pairs, const Batch& batch, const std::string& method);

/// Rows whose pairs reward_gaps() would refuse are left out.
record::RowNeed known_gaps();
/// Every answer of a pair has a reward.
record::RowNeed known_rewards();

}  // namespace attune::algorithm
