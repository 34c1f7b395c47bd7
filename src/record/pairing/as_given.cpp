// Feedback as it stands.
#include <algorithm>

#include "record/derived_feedback.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class AsGiven final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"as_given",
            "Feedback as it stands: labels, groups with rewards, scored steps, lists in their order; "
            "demonstrations are the accepted candidates (by label, else by rank), of rated ones the best.",
            ""};
  }
  std::vector<GroupShape> shapes() const override {
    return {GroupShape::kDemonstrations, GroupShape::kLabels, GroupShape::kGroups, GroupShape::kSteps,
            GroupShape::kLists};
  }

 protected:
  std::optional<core::ItemError> label(std::span<Candidate> candidates,
                                       PairingCounts& counts) const override {
    std::string derived;
    if (const auto problem = need_labels(candidates, derived)) return *problem;
    if (!derived.empty()) ++counts.derived[derived];
    return {};
  }

  core::Result<std::vector<std::size_t>> accept(std::span<Candidate> candidates,
                                                PairingCounts& counts) const override {
    const bool judged = std::ranges::any_of(candidates, [](const Candidate& c) { return c.label || c.rank; });
    const bool rated = !judged && candidates.size() > 1 && all_have<double>(candidates, &Candidate::reward);
    double best = reward_of(candidates.front());
    for (const Candidate& candidate : candidates) best = std::max(best, reward_of(candidate));
    std::vector<std::size_t> accepted;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Candidate& candidate = candidates[i];
      if (rated ? *candidate.reward == best : candidate.label.value_or(candidate.rank.value_or(0) == 0))
        accepted.push_back(i);
    }
    if (rated && accepted.size() < candidates.size())
      ++counts.derived["demonstrations from rewards (the best)"];
    return accepted;
  }
};

}  // namespace

std::unique_ptr<Pairing> pairing_as_given() { return std::make_unique<AsGiven>(); }

}  // namespace attune::record
