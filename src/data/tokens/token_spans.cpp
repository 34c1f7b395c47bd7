#include "data/tokens/token_spans.h"

#include <algorithm>

namespace attune::data {

std::vector<std::uint8_t> tokens_in(std::span<const text::TextSpan> places,
                                    std::span<const text::TextSpan> spans) {
  std::vector<std::uint8_t> mask;
  mask.reserve(places.size());
  for (const auto& [begin, end] : places) {
    const auto span = std::ranges::upper_bound(spans, begin, {}, &text::TextSpan::second);
    mask.push_back(begin < end && span != spans.end() && span->first < end ? 1 : 0);
  }
  return mask;
}

std::vector<std::int32_t> tokens_before(std::span<const text::TextSpan> places,
                                        std::span<const std::size_t> boundaries) {
  std::vector<std::int32_t> out;
  std::size_t next = 0, last = 0;
  for (const std::size_t boundary : boundaries) {
    for (; next < places.size(); ++next) {
      const auto& [begin, end] = places[next];
      if (begin == end) continue;  // stands for no text
      if (begin >= boundary) break;
      last = next;
    }
    out.push_back(static_cast<std::int32_t>(last));
  }
  return out;
}

}  // namespace attune::data
