// What gives feedback, as rollouts and techniques will call it: a function, handed in from above.
#pragma once

#include <functional>
#include <vector>

#include "record/example.h"

namespace attune::generation {

/// Examples in, rated out: the same examples with the same candidates in the same order, whose feedback
/// (reward, scores, label, rank, step scores …) is filled in. Called with many at once. May throw Error when
/// the rater itself cannot go on.
using Rate = std::function<std::vector<record::Example>(std::vector<record::Example> examples)>;

}  // namespace attune::generation
