#include "feedback/rater.h"

#include <utility>

#include "core/error.h"
#include "record/sound_feedback.h"

namespace attune::feedback {

std::vector<record::Candidate*> candidates_of(std::span<record::Example> examples) {
  std::vector<record::Candidate*> candidates;
  for (record::Example& example : examples) {
    for (record::Candidate& candidate : example.candidates) candidates.push_back(&candidate);
  }
  return candidates;
}

void Rater::give(record::Candidate& candidate, double score) const {
  candidate.reward = score;
  candidate.scores[name_] = score;
}

std::vector<Remark> Rater::rate(std::span<record::Example> examples) {
  const std::vector<record::Candidate*> candidates = candidates_of(examples);
  const auto forget = [this](record::Candidate& candidate) {
    candidate.reward.reset();
    candidate.scores.erase(name_);
  };
  for (record::Candidate* candidate : candidates) forget(*candidate);
  std::vector<Remark> remarks = fill(examples);
  ATTUNE_ASSERT(remarks.size() == candidates.size());
  for (std::size_t i = 0; i < remarks.size(); ++i) {
    if (remarks[i].unusable.empty())
      if (const auto problem = record::unsound_number(record::reward_of(*candidates[i]), "reward"))
        remarks[i].unusable = problem->reason;
    if (remarks[i].unusable.empty()) continue;
    forget(*candidates[i]);
    ++unusable_[remarks[i].unusable];
  }
  return remarks;
}

generation::Rate rate_function(Rater& rater) {
  return [&rater](std::vector<record::Example> examples) {
    rater.rate(examples);
    return examples;
  };
}

}  // namespace attune::feedback
