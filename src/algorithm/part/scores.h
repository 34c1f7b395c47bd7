// Named scores of answers, for methods that learn from several.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "algorithm/method.h"

namespace attune::algorithm {

/// The names of all scores that one of these answers has, sorted.
std::vector<std::string> score_names(std::span<const Candidate> group);
/// "answer 2 has no score 'safe'", "" where each has all.
std::string missing_score(std::span<const Candidate> group, std::span<const std::string> names);
/// The answers with one score as their reward. @throws Error{kRequest} where one does not have it; `method` asks
std::vector<Candidate> rated_by(const std::string& name, std::vector<Candidate> group,
                                const std::string& method);

}  // namespace attune::algorithm
