// Good above the mean of the prompt's candidates.
#include <algorithm>

#include "record/derived_feedback.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class PromptMean final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"prompt_mean",
            "A candidate is good above the mean reward of its prompt, else bad; demonstrations are the good "
            "ones. Prompts whose candidates all tie, or that have one alone, are left out.",
            ""};
  }
  std::vector<GroupShape> shapes() const override {
    return {GroupShape::kLabels, GroupShape::kDemonstrations};
  }

 protected:
  std::optional<core::ItemError> label(std::span<Candidate> candidates,
                                       PairingCounts& counts) const override {
    if (!all_have<double>(candidates, &Candidate::reward)) return core::ItemError{"no rewards", ""};
    const double first = *candidates.front().reward;
    if (candidates.size() == 1) {
      ++counts.left_out["singles"];
      return core::ItemError{"one completion, which is its own mean", ""};
    }
    if (std::ranges::all_of(candidates, [&](const Candidate& c) { return *c.reward == first; })) {
      ++counts.left_out["ties"];
      return core::ItemError{"all candidates tie", ""};
    }
    double sum = 0;
    for (const Candidate& candidate : candidates) sum += *candidate.reward;
    const double mean = sum / static_cast<double>(candidates.size());
    for (Candidate& candidate : candidates) candidate.label = *candidate.reward > mean;
    ++counts.derived["labels from rewards"];
    return {};
  }
};

}  // namespace

std::unique_ptr<Pairing> pairing_prompt_mean() { return std::make_unique<PromptMean>(); }

}  // namespace attune::record
