// Good from a reward on.
#include "record/derived_feedback.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class Threshold final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"threshold", "A candidate is good from a reward on, else bad; demonstrations are the good ones.",
            "Gulcehre et al. 2023 (ReST), arXiv:2308.08998, section 3"};
  }
  std::vector<GroupShape> shapes() const override {
    return {GroupShape::kLabels, GroupShape::kDemonstrations};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("threshold", threshold_, "Least reward of a good candidate.");
    return fields;
  }

 protected:
  std::optional<core::ItemError> label(std::span<Candidate> candidates,
                                       PairingCounts& counts) const override {
    if (!all_have<double>(candidates, &Candidate::reward)) return core::ItemError{"no rewards", ""};
    for (Candidate& candidate : candidates) candidate.label = *candidate.reward >= threshold_;
    ++counts.derived["labels from rewards"];
    return {};
  }

 private:
  double threshold_ = 0.5;
};

}  // namespace

std::unique_ptr<Pairing> pairing_threshold() { return std::make_unique<Threshold>(); }

}  // namespace attune::record
