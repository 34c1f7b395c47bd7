#include "model/config.h"

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

}  // namespace attune::model
