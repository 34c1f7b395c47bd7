// Several reward models that rate together, against over-optimisation of any one of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feedback/combine.h"
#include "feedback/rater.h"

namespace attune::feedback {

/// Every member rates every answer; the reward is what the combination makes of their rewards. Metrics: the members' own
/// rewards and their standard deviation, "spread". An answer that one of them cannot rate is unusable.
class RewardEnsemble : public Rater {
 public:
  /// @param members at least one, of different names
  RewardEnsemble(std::string name, std::vector<std::unique_ptr<Rater>> members, Combination combination);

 protected:
  std::vector<Remark> fill(std::span<record::Example> examples) override;

 private:
  std::vector<std::unique_ptr<Rater>> members_;
  Combination combination_;
};

}  // namespace attune::feedback
