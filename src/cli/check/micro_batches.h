// The micro-batches that a run will compute, in sizes alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/options.h"

namespace attune::cli {

/// Tokens of a row, or of several: those that are computed, and those whose numbers are read.
struct Load {
  std::int64_t computed = 0, read = 0;
};

struct MicroBatch {
  Load load;
  bool first = true;  ///< of its update: there are no gradients yet
};

/// Those of a run's first updates, cut as training cuts them: rows in the order of the seed, whole while they
/// fit into the budget. @param rows of the data, in order. @param updates at most so many are looked at
std::vector<MicroBatch> micro_batches(std::span<const Load> rows, const training::TrainRecipe& recipe,
                                      std::int64_t updates);

}  // namespace attune::cli
