// Dropout of adapters with counter-based randomness.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "core/forest.h"
#include "model/transformer.h"

namespace attune::model {

/// Keys for the tokens of a forest that shares nothing: a token's key is made of its sequence's and its
/// position, so how sequences are batched changes nothing. @throws internal error when the forest shares.
/// @param sequence_keys one for each sequence
AdapterDropout make_dropout(std::span<const std::uint64_t> sequence_keys, const core::Forest& forest);

/// [T, width] of zeros and 1 / (1 - rate), different for every layer path.
at::Tensor dropout_mask(const AdapterDropout& dropout, std::string_view path, double rate, std::int64_t width,
                        const at::Tensor& like);

}  // namespace attune::model
