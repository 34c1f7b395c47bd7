#include "feedback/reward_ensemble.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace attune::feedback {

RewardEnsemble::RewardEnsemble(std::string name, std::vector<std::unique_ptr<Rater>> members,
                               Combination combination)
    : Rater(std::move(name)), members_(std::move(members)), combination_(std::move(combination)) {
  ATTUNE_ASSERT(!members_.empty());
}

std::vector<Remark> RewardEnsemble::fill(std::span<record::Example> examples) {
  const std::vector<record::Candidate*> candidates = candidates_of(examples);
  std::vector<Remark> remarks(candidates.size());
  std::vector<std::vector<double>> rewards(candidates.size());
  for (const auto& member : members_) {
    const std::vector<Remark> said = member->rate(examples);
    for (std::size_t i = 0; i < said.size(); ++i) {
      if (remarks[i].unusable.empty()) remarks[i].unusable = said[i].unusable;
      if (!said[i].unusable.empty()) continue;
      rewards[i].push_back(*candidates[i]->reward);
      remarks[i].metrics[member->name()] = rewards[i].back();
      candidates[i]->scores.erase(member->name());  // what stays is the ensemble's
    }
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!remarks[i].unusable.empty()) {
      candidates[i]->reward.reset();
      continue;
    }
    remarks[i].metrics["spread"] = std::sqrt(population_variance(rewards[i]));
    give(*candidates[i], combination_.of(rewards[i]));
  }
  return remarks;
}

}  // namespace attune::feedback
