// A double that uses all of the pairings' seam: every shape, options, choices that depend on the key, labels of
// its own, demonstrations that are not the good ones, and counts of what it leaves out.
#include <cmath>

#include "core/random.h"
#include "record/derived_feedback.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class ZzPairing final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"zz_pairing",
            "The best against each worse one that a coin takes; good from the mean of the best and the worst "
            "on; demonstrations are every second one.",
            "nobody"};
  }
  std::vector<GroupShape> shapes() const override {
    return {GroupShape::kPairs, GroupShape::kLabels, GroupShape::kDemonstrations, GroupShape::kGroups,
            GroupShape::kLists};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("share", share_, "Share of the worse ones that are taken.").range(0, 1);
    return fields;
  }
  bool draws() const override { return true; }

 protected:
  void compare(const Ranking& ranking, const PairingKey& key, PairList& pairs) const override {
    for (std::size_t place = 1; place < ranking.order.size(); ++place) {
      if (core::uniform({key.seed, core::Purpose::kData, key.step, key.record, place}) < share_)
        pairs.add(ranking.order.front(), ranking.order[place]);
      else
        pairs.leave_out("not taken by zz_pairing");
    }
  }

  std::optional<core::ItemError> label(std::span<Candidate> candidates,
                                       PairingCounts& counts) const override {
    if (!all_have<double>(candidates, &Candidate::reward)) return core::ItemError{"zz needs rewards", ""};
    double low = reward_of(candidates.front()), high = low;
    for (const Candidate& candidate : candidates) {
      low = std::fmin(low, *candidate.reward);
      high = std::fmax(high, *candidate.reward);
    }
    for (Candidate& candidate : candidates) candidate.label = *candidate.reward >= (low + high) / 2;
    ++counts.derived["zz labels"];
    return {};
  }

  core::Result<std::vector<std::size_t>> accept(std::span<Candidate> candidates,
                                                PairingCounts& counts) const override {
    std::vector<std::size_t> accepted;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (i % 2 == 0)
        accepted.push_back(i);
      else
        ++counts.left_out["every second one"];
    }
    return accepted;
  }

 private:
  double share_ = 1;
};

}  // namespace

std::unique_ptr<Pairing> pairing_zz_pairing() { return std::make_unique<ZzPairing>(); }

}  // namespace attune::record
