#include "record/group_shape.h"

#include "core/error.h"

namespace attune::record {

std::string_view to_text(GroupShape shape) {
  switch (shape) {
    case GroupShape::kDemonstrations:
      return "demonstrations";
    case GroupShape::kPairs:
      return "pairs";
    case GroupShape::kLabels:
      return "labels";
    case GroupShape::kGroups:
      return "groups";
    case GroupShape::kSteps:
      return "steps";
    case GroupShape::kLists:
      return "lists";
  }
  ATTUNE_ASSERT(false);
  return {};
}

}  // namespace attune::record
