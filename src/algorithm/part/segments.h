// Ragged arithmetic: from one number per token to one per candidate and back. All functions record autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/forest.h"

namespace attune::algorithm {

/// [offsets[N]] int64: the candidate that each token belongs to.
at::Tensor owners(const core::Offsets& offsets);

/// [N] float64: tokens of each candidate.
at::Tensor lengths(const core::Offsets& offsets);

/// [N]: the sum over each candidate's tokens; 0 for a candidate without tokens.
at::Tensor segment_sum(const at::Tensor& per_token, const core::Offsets& offsets);

/// [N]: the mean over each candidate's tokens; 0 for a candidate without tokens.
at::Tensor segment_mean(const at::Tensor& per_token, const core::Offsets& offsets);

/// [offsets[N]]: every token gets its candidate's number.
at::Tensor spread(const at::Tensor& per_candidate, const core::Offsets& offsets);

/// A float64 vector from plain numbers.
at::Tensor vector_of(const std::vector<double>& numbers);

}  // namespace attune::algorithm
