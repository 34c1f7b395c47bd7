#include "algorithm/part/scores.h"

#include <set>

#include "core/error.h"

namespace attune::algorithm {

std::vector<std::string> score_names(std::span<const Candidate> group) {
  std::set<std::string> names;
  for (const Candidate& candidate : group)
    for (const auto& [name, score] : candidate.scores) names.insert(name);
  return {names.begin(), names.end()};
}

std::string missing_score(std::span<const Candidate> group, std::span<const std::string> names) {
  for (const std::string& name : names)
    for (const Candidate& candidate : group)
      if (!candidate.scores.contains(name))
        return fmt::format("answer {} has no score '{}'", candidate.index + 1, name);
  return "";
}

std::vector<Candidate> rated_by(const std::string& name, std::vector<Candidate> group,
                                const std::string& method) {
  for (Candidate& candidate : group) {
    const auto found = candidate.scores.find(name);
    if (found == candidate.scores.end())
      core::fail_request("candidate {} of group {} has no score '{}', which method '{}' learns from",
                         candidate.index, candidate.group, name, method);
    candidate.reward = found->second;
  }
  return group;
}

}  // namespace attune::algorithm
