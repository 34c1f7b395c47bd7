// Every candidate against the next in the order.
#include "record/pairing.h"

namespace attune::record {
namespace {

class Adjacent final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"adjacent", "Every candidate against the next one in the order from best to worst.", ""};
  }
  std::vector<GroupShape> shapes() const override { return {GroupShape::kPairs}; }

 protected:
  void compare(const Ranking& ranking, const PairingKey&, PairList& pairs) const override {
    for (std::size_t i = 0; i + 1 < ranking.order.size(); ++i)
      pairs.add(ranking.order[i], ranking.order[i + 1]);
  }
};

}  // namespace

std::unique_ptr<Pairing> pairing_adjacent() { return std::make_unique<Adjacent>(); }

}  // namespace attune::record
