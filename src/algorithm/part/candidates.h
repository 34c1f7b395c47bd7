// What is said of candidates, as vectors.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

#include "record/candidate.h"

namespace attune::algorithm {

/// [N]: what each candidate's loss is multiplied by.
at::Tensor weights_of(const std::vector<record::Candidate>& candidates);

/// [N]: their rewards, for a method that learns from every one.
/// @throws Error{kRequest} saying how many have no finite reward, and which method asks for it
at::Tensor finite_rewards(const std::vector<record::Candidate>& candidates, std::string_view method);

}  // namespace attune::algorithm
