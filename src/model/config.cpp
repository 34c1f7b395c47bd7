#include "model/config.h"

namespace attune::model {

std::int32_t ModelConfig::table_of(std::int64_t length) const {
  switch (rope.kind) {
    case RopeKind::kDynamic:  // the base grows with the length beyond the trained context
      return length > max_positions ? static_cast<std::int32_t>(length) : 0;
    case RopeKind::kLongrope:  // one list of factors up to the original context, another one beyond it
      return length > rope.original_max_positions ? 1 : 0;
    default:
      return 0;
  }
}

}  // namespace attune::model
