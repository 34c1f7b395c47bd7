#include "algorithm/part/row_needs.h"

#include <cmath>
#include <utility>

#include "algorithm/part/group_statistics.h"
#include "core/error.h"

namespace attune::algorithm {

record::RowNeed differing_rewards() {
  return teaching_group("differing rewards",
                        "nothing is learned where all answers to a prompt have the same reward",
                        [](std::span<const Candidate> group) { return without_spread(group); });
}

record::RowNeed company() {
  return teaching_group("two answers", "nothing is learned from a prompt with one answer",
                        [](std::span<const Candidate> group) { return group.size() < 2; });
}

record::RowNeed teaching_group(const std::string& name, const std::string& what,
                               std::function<bool(std::span<const Candidate>)> idle) {
  return {name, record::Lacking::kTeachesNothing,
          [what, idle = std::move(idle)](std::span<const Candidate> group,
                                         std::span<const Pair>) -> std::optional<core::ItemError> {
            if (!idle(group)) return std::nullopt;
            return core::ItemError{what, ""};
          }};
}

record::RowNeed required(
    const std::string& name, const std::string& what,
    std::function<std::string(std::span<const Candidate>, std::span<const Pair>)> fault) {
  return {name, record::Lacking::kLeavesOut,
          [what, fault = std::move(fault)](std::span<const Candidate> group,
                                           std::span<const Pair> pairs) -> std::optional<core::ItemError> {
            std::string where = fault(group, pairs);
            if (where.empty()) return std::nullopt;
            return core::ItemError{what, std::move(where)};
          }};
}

}  // namespace attune::algorithm
