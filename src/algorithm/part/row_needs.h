// What several methods ask of the feedback on a row (record/feedback_needs.h).
#pragma once

#include <functional>
#include <string>

#include "algorithm/method.h"

namespace attune::algorithm {

/// Rewards of one prompt's answers that are not all alike: what methods learn from that take their mean away. Asked of
/// a single answer, too, which is its own mean.
record::RowNeed differing_rewards();

/// A second answer, for methods that put answers in order.
record::RowNeed company();

/// A need of groups that are taken and teach nothing where `idle` says so of their rewards. @param what is counted
record::RowNeed teaching_group(const std::string& name, const std::string& what,
                               std::function<bool(std::span<const Candidate>)> idle);

/// A need whose absence leaves a row out: `fault` says where a row lacks it, "" where it does not.
record::RowNeed required(const std::string& name, const std::string& what,
                         std::function<std::string(std::span<const Candidate>, std::span<const Pair>)> fault);

}  // namespace attune::algorithm
