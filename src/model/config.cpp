#include "model/config.h"

#include <algorithm>

namespace attune::model {

std::int32_t ModelConfig::table_of(std::int64_t length) const {
  std::int32_t table = 0;
  for (const RopeConfig& rope : ropes) {
    if (rope.kind == RopeKind::kDynamic && length > max_positions)
      return static_cast<std::int32_t>(length);  // the base grows with the length beyond the trained context
    // one list of factors up to the original context, another one beyond it
    if (rope.kind == RopeKind::kLongrope && length > rope.original_max_positions) table = 1;
  }
  return table;
}

std::int64_t ModelConfig::context() const {
  constexpr double kMost = 1 << 30;
  double reach = static_cast<double>(max_positions);
  for (const RopeConfig& rope : ropes) {
    if (rope.kind == RopeKind::kNone || rope.kind == RopeKind::kDefault) continue;
    const auto original =
        static_cast<double>(rope.kind == RopeKind::kDynamic ? max_positions : rope.original_max_positions);
    reach = std::max(reach, std::min(kMost, rope.factor * original));
  }
  return static_cast<std::int64_t>(reach);
}

std::int64_t ModelConfig::scored_token(std::span<const std::int32_t> ids) const {
  auto last = static_cast<std::int64_t>(ids.size()) - 1;
  if (pad_id < 0) return last;
  while (last > 0 && ids[static_cast<std::size_t>(last)] == pad_id) --last;
  return last;
}

}  // namespace attune::model
