// Held-out rows split off a dataset, so that no prompt is on both sides.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "data/dataset.h"

namespace attune::data {

/// What rows must share to stay on one side: the prompt, or all of a text that has none.
std::uint64_t prompt_key(std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion);

/// Which rows are held out: whole groups of equal keys in an order that the seed draws, each taken where it
/// still fits.
/// @param size below 1 a share of the rows, else how many
/// @throws Error{kRequest} when nothing would be left on one of the sides
std::vector<bool> choose_held_out(std::span<const std::uint64_t> keys, double size, std::uint64_t seed);

struct Split {
  Dataset rest, held_out;
};
Split split_off(const Dataset& data, double size, std::uint64_t seed);

}  // namespace attune::data
