// Which tokens of a completion can be trained on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace attune::data {

/// The first token of a completion that may be trained on, whatever its mask says: nothing comes before the
/// first token of a sequence, so without a prompt it has no log-probability.
inline std::size_t first_predicted(std::size_t prompt_length) { return prompt_length == 0 ? 1 : 0; }

/// Those that are trained on.
inline std::int64_t trained_count(std::size_t prompt_length, std::span<const std::uint8_t> mask) {
  const auto predicted = mask.subspan(std::min(first_predicted(prompt_length), mask.size()));
  return std::ranges::count_if(predicted, [](std::uint8_t on) { return on != 0; });
}

}  // namespace attune::data
