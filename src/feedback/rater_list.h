// Several raters whose numbers become one reward.
#pragma once

#include <memory>
#include <vector>

#include "feedback/rater.h"

namespace attune::feedback {

struct WeightedRater {
  std::unique_ptr<Rater> rater;
  double weight = 1;
};

/// reward = Σ weight · reward of each; Candidate::scores holds each rater's own number under its name. Other
/// feedback of theirs (step scores, ranks …) stays as the last of them wrote it. Metrics are `<rater>`, its
/// own number, and `<rater>/<metric>`. A candidate that one of them cannot rate is unusable, for the reason
/// `<rater>: <reason>`.
class RaterList : public Rater {
 public:
  /// @param sources at least one. @throws Error{kRequest} when two have the same name
  explicit RaterList(std::vector<WeightedRater> sources);

 protected:
  std::vector<Remark> fill(std::span<record::Example> examples) override;

 private:
  std::vector<WeightedRater> sources_;
};

/// The rater itself where there is one of weight 1, else the list of them.
std::unique_ptr<Rater> rater_of(std::vector<WeightedRater> sources);

}  // namespace attune::feedback
