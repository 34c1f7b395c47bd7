// Process reward models: how the scores of an answer's steps become its reward, and what its steps are where nobody
// has said so.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/fields.h"

namespace attune::feedback {

struct StepRewardOptions {
  std::string aggregate = "product";
  std::string separator = "\n";
  void declare(core::Fields& fields);
};

/// The reward of an answer from the probabilities that its steps are right (Lightman et al. 2023, arXiv:2305.20050,
/// section 2.6): their product is the probability that all are; "min" that of the weakest; "last"; "mean".
/// @param probabilities one or more
double reward_of_steps(std::span<const double> probabilities, std::string_view aggregate);

/// A text in steps, each with the separator behind it; steps of white space alone belong to the one before. Their join
/// is the text; none where it is empty.
std::vector<std::string> split_steps(std::string_view text, std::string_view separator);

}  // namespace attune::feedback
