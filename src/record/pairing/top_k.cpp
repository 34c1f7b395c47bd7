// The k best candidates.
#include <algorithm>

#include "record/derived_feedback.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class TopK final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"top_k",
            "The k best candidates: as demonstrations (equal ones count once), or each of them against each "
            "of the rest.",
            "Dong et al. 2023 (RAFT), arXiv:2304.06767"};
  }
  std::vector<GroupShape> shapes() const override {
    return {GroupShape::kPairs, GroupShape::kDemonstrations};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("k", k_, "How many; all where there are no more. Of ties at the border the first are taken.")
        .range(1, 1e6);
    return fields;
  }

 protected:
  void compare(const Ranking& ranking, const PairingKey&, PairList& pairs) const override {
    const std::size_t best = std::min(static_cast<std::size_t>(k_), ranking.order.size());
    for (std::size_t a = 0; a < best; ++a)
      for (std::size_t b = best; b < ranking.order.size(); ++b) pairs.add(ranking.order[a], ranking.order[b]);
  }

  core::Result<std::vector<std::size_t>> accept(std::span<Candidate> candidates,
                                                PairingCounts& counts) const override {
    std::string derived;
    if (const auto problem = need_ranks(candidates, derived)) return *problem;
    if (!derived.empty()) ++counts.derived[derived];
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const bool repeated = std::ranges::any_of(
          order, [&](std::size_t other) { return same_completion(candidates[other], candidates[i]); });
      if (repeated)
        ++counts.left_out["duplicates"];
      else
        order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return *candidates[a].rank < *candidates[b].rank; });
    order.resize(std::min(static_cast<std::size_t>(k_), order.size()));
    std::sort(order.begin(), order.end());
    return order;
  }

 private:
  std::int64_t k_ = 1;
};

}  // namespace

std::unique_ptr<Pairing> pairing_top_k() { return std::make_unique<TopK>(); }

}  // namespace attune::record
