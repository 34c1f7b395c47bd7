// The best candidate of a prompt against the worst.
#include "record/pairing.h"

namespace attune::record {
namespace {

class BestWorst final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"best_worst", "One pair a prompt: the best candidate against the worst.",
            "Pace et al. 2024 (West-of-N), arXiv:2401.12086"};
  }
  std::vector<GroupShape> shapes() const override { return {GroupShape::kPairs}; }

 protected:
  void compare(const Ranking& ranking, const PairingKey&, PairList& pairs) const override {
    pairs.add(ranking.order.front(), ranking.order.back());
  }
};

}  // namespace

std::unique_ptr<Pairing> pairing_best_worst() { return std::make_unique<BestWorst>(); }

}  // namespace attune::record
